"""What cannot be trained on is said in one sentence that names column, row and remedy."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inference.training.refused import TrainingRefused
from inference.training.run import Task, train
from tests.factories import training_files

Table = dict[str, list[Any]]
TASK: dict[str, Any] = {"target": "outcome", "name": "bad"}


def refusal(path: Path, **task: Any) -> str:
    with pytest.raises(TrainingRefused) as refused:
        train(path, Task(**{**TASK, **task}))
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def with_(name: str, change: Callable[[list[Any]], list[Any]]) -> Callable[[Table], Table]:
    return lambda table: {**table, name: change(list(table[name]))}


def at(row: int, value: Any) -> Callable[[list[Any]], list[Any]]:
    """The values with one replaced; rows count from 1."""
    return lambda values: [*values[: row - 1], value, *values[row:]]


MIXED_DATES = ["2024-01-31", "31.01.2024", "01/31/2024", "Jan 31, 2024", "2024/01/31"]

REFUSED: dict[str, tuple[Callable[[Table], Table], dict[str, Any], list[str]]] = {
    "target absent": (lambda t: t, {"target": "answer"}, ["no column `answer`", "--target", "`outcome`"]),
    "target constant": (
        with_("outcome", lambda v: ["late"] * len(v)),
        {},
        ["`outcome`", "“late” in every row", "two classes"],
    ),
    "target a number": (with_("outcome", lambda v: list(range(len(v)))), {}, ["300 different values", "group"]),
    "few of a class": (with_("outcome", at(17, "stolen")), {}, ["“stolen”", "row 17", "20 are needed"]),
    "target empty": (with_("outcome", lambda v: [""] * len(v)), {}, ["`outcome` is empty in every row"]),
    "empty column": (with_("weight", lambda v: ["?"] * len(v)), {}, ["`weight` is empty", "--exclude weight"]),
    "id twice": (
        lambda t: with_("parcel", at(9, t["parcel"][3]))(t),
        {"id": "parcel"},
        ["`parcel`", "“P00003”", "row 4", "row 9"],
    ),
    "id missing": (with_("parcel", at(9, "")), {"id": "parcel"}, ["`parcel`, row 9 has no id"]),
    "mixed types": (with_("weight", at(8, "heavy")), {}, ["`weight` mixes", "row 8", "“heavy”", "--exclude weight"]),
    "numbers with signs": (
        with_("weight", lambda v: [f"€ {place},{place % 10}0" for place in range(len(v))]),
        {},
        ["`weight` holds numbers written for people", "row 1", "“€ 0,00”", "1234.5", "--exclude weight"],
    ),
    "huge value among few": (
        with_("depot", at(5, "x" * 200_000)),
        {},
        ["`depot`, row 5", "200,000 characters", "100,000"],
    ),
    "five formats": (
        with_("day", lambda v: [MIXED_DATES[place % 5] for place in range(len(v))]),
        {"time": "day"},
        ["`day`, row", "is not written like", "2024-01-31"],
    ),
    "unclear dates": (
        with_("day", lambda v: [f"0{1 + place % 9}/0{1 + place % 8}/2024" for place in range(len(v))]),
        {"time": "day"},
        ["`day`", "row 1 ", "day and month", "2024-01-31"],
    ),
    "time missing": (with_("day", at(5, "")), {"time": "day"}, ["`day`, row 5 has no time"]),
    "huge text": (with_("note", at(6, "x" * 230_000)), {"text": ("note",)}, ["`note`, row 6", "230,000", "shorten"]),
    "huge number": (with_("weight", at(6, "1e300")), {}, ["`weight`, row 6", "too large"]),
    "no such column": (lambda t: t, {"exclude": ("colour",)}, ["`colour`", "--exclude"]),
    "other classes": (lambda t: t, {"classes": ("late", "lost")}, ["`broken`", "`lost`", "stream"]),
    "contract lacks": (lambda t: t, {"contract": {"height": (["number"], False)}}, ["`height`", "contract requires"]),
    "contract differs": (lambda t: t, {"contract": {"depot": (["number"], True)}}, ["`depot`, row", "is not number"]),
    "no picture": (lambda t: t, {"image": (8, 8)}, ["8x8", "64 points"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_data_is_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    change, task, said = REFUSED[name]
    path = training_files.write(tmp_path / "rows.csv", change(training_files.parcels(300)))

    sentence = refusal(path, **task)

    for words in said:
        assert words in sentence


CONTENT: dict[str, tuple[bytes, list[str]]] = {
    "empty": (b"", ["is empty"]),
    "no rows": (b"a,outcome\n", ["no rows"]),
    "ragged": (b"a,outcome\n1,x\n2,y,z\n", ["row 2", "3 values", "2"]),
    "name twice": (b"a,a,outcome\n1,2,x\n", ["column `a` twice"]),
    "no name": (b"a,,outcome\n1,2,x\n", ["column 2 has no name"]),
    "latin": ("a,outcome\nküche,x\n".encode("latin-1"), ["UTF-8", "line 2"]),
    "quote inside": (b"a,b,outcome\n" + b'1,"x,late\n2,1,lost\n' * 40, ["row 1", "a quote is opened", "twice"]),
    "quote for ever": (b'a,b,outcome\n1,2,late\n1,"x,lost\n', ["row 2", "not closed"]),
    "nul": (b"a,outcome\nx\x00y,x\n", ["`a`, row 1", "NUL"]),
    "reserved": (b"probability:x,outcome\n1,x\n", ["reserved"]),
}


@pytest.mark.parametrize("name", CONTENT)
def test_files_are_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    content, said = CONTENT[name]
    path = tmp_path / "rows.csv"
    path.write_bytes(content)

    sentence = refusal(path)

    for words in ["rows.csv", *said] if name != "nul" else said:
        assert words in sentence


@pytest.mark.parametrize("ending", ["csv.gz", "parquet"])
def test_damaged_files_are_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"rows.{ending}"
    whole = gzip.compress(b"a,outcome\n" + b"1,x\n" * 9_000) if ending == "csv.gz" else b"PAR1 no more"
    path.write_bytes(whole[: len(whole) // 2])

    assert f"rows.{ending}" in refusal(path)


def test_rows_without_an_answer_are_left_out_and_said(tmp_path: Path) -> None:
    table = training_files.parcels(300)
    table["outcome"][4] = table["outcome"][7] = ""
    kept = {name: table[name] for name in ("weight", "zone", "outcome")}

    trained = train(training_files.write(tmp_path / "rows.csv", kept), Task(**TASK))

    assert trained.notes[0] == "2 rows without `outcome` are left out, the first is row 5."
    assert trained.manifest.lineage["rows"] == 298
