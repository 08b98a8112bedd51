from dataclasses import replace

import numpy as np
import pytest

from inference import neighbours, resemblance
from inference.manifest import Column, GraphInput
from inference.resemblance import Part
from tests.inference import onnx_files

COLUMNS = [
    Column("age", "float", nullable=True),
    Column("income", "float"),
    Column("kind", "category", nullable=True, values=("new", "old")),
    Column("note", "text", nullable=True),
    Column("ignored", "float"),
]
TABLE = {
    "age": [20.0, 40.0] * 5,
    "income": [1000.0, 3000.0] * 5,
    "kind": ["new", "old"] * 5,
    "note": ["lid torn", "lid fine"] * 5,
    "ignored": [0.0, 1.0] * 5,
}
IMPORTANCE = {"age": 4.0, "income": 2.0, "kind": 1.0, "note": 1.0, "ignored": 0.0}
CASE = {"age": 30.0, "income": 2000.0, "kind": "new", "note": "the lid is torn", "ignored": 0.0}


@pytest.fixture(scope="module")
def manifest():
    inputs = [
        GraphInput("numbers", "float", ("age", "income", "ignored")),
        GraphInput("words", "string", ("kind", "note")),
    ]
    draft = onnx_files.manifest_for(COLUMNS, inputs)
    outcomes = np.array([[0.0, 1.0], [1.0, 0.0]] * 5)
    return replace(draft, neighbours=neighbours.fit(TABLE, draft, importance=IMPORTANCE, outcomes=outcomes))


def compared(manifest, **other):
    (found,) = resemblance.compare(manifest, CASE, [{**CASE, **other}])
    return found


def test_like_cases_agree_in_the_most_important_columns_first(manifest):
    found = compared(manifest, age=30.5)

    assert found.agree == (Part("age", 30.0, 30.5), Part("income", 2000.0, 2000.0), Part("kind", "new", "new"))


def test_what_keeps_two_cases_apart_is_said_most_first(manifest):
    found = compared(manifest, income=4000.0, kind="old", ignored=9.0)

    # Two standard deviations of income weigh four times two eighths, the other kind twice one eighth.
    assert found.differ == (Part("income", 2000.0, 4000.0), Part("kind", "new", "old"))
    assert [part.column for part in found.agree] == ["age"]


def test_equal_cases_differ_in_nothing(manifest):
    assert compared(manifest).differ == ()


def test_a_missing_value_agrees_with_nothing(manifest):
    found = compared(manifest, age=None)

    assert "age" not in [part.column for part in found.agree]


def test_words_that_both_texts_hold_are_named_the_telling_ones_first(manifest):
    found = compared(manifest, note="torn was the lid")

    assert found.words[0] == "torn"
    assert set(found.words) == {"torn", "lid", "the"}


def test_the_parts_are_those_of_the_distance_in_the_space(manifest):
    other = {"age": 41.0, "income": 900.0, "kind": "old", "note": "fine", "ignored": 5.0}
    one, two = neighbours.embed(manifest, [CASE, other])
    columns = manifest.neighbours["columns"]

    parts = sum(resemblance._squared(column, CASE, other) for column in columns)

    assert ((one - two) ** 2).sum() == pytest.approx(parts, rel=0.35)
