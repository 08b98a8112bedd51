"""How cases, keys and events are put into words and pictures; no database."""

import pytest

from reviewapp.web.desk import keys_for
from reviewapp.web.subjects import Group, display_from, matrix_of, written


@pytest.mark.parametrize(
    ("classes", "keys"),
    [
        (list("0123456789"), list("0123456789")),
        (["benign", "malignant"], ["b", "m"]),
        (["intact", "damaged"], ["i", "d"]),
        (["spam", "ham"], ["1", "2"]),  # S skips
        (["good", "great"], ["1", "2"]),
        ([f"class {n}" for n in range(12)], [*"1234567890", "", ""]),
    ],
)
def test_each_class_has_a_key_that_means_nothing_else(classes, keys):
    assert keys_for(classes) == keys


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (True, "yes"),
        (3, "3"),
        (0.00123456, "0.0012346"),
        (13.0, "13"),
        (1234567.8, "1,234,568"),
        ("a", "a"),
    ],
)
def test_values_are_written_for_people(value, text):
    assert written(value) == text


def test_a_picture_is_drawn_in_the_order_of_the_models_columns():
    manifest = {"columns": [{"name": "b"}, {"name": "a"}], "image": {"height": 1, "width": 2}}
    contract = {"properties": {"a": {"maximum": 16}, "b": {"maximum": 16}}}

    picture = display_from(display={}, contract=contract, manifest=manifest).picture({"a": 1, "b": 2}, "x")

    assert (picture.values, picture.maximum) == ([2.0, 1.0], 16.0)


def test_facts_carry_their_units_and_what_no_group_names_comes_last():
    display = {"groups": [{"title": "Damage", "columns": ["dent"]}], "labels": {"dent": "Dent"}}
    contract = {"properties": {"dent": {"x-unit": "mm"}, "tear": {}}, "required": ["dent", "tear"]}

    groups = display_from(display=display, contract=contract, manifest={}).groups({"dent": 1.5, "new": 2, "tear": None})

    assert [(group.title, [fact.label for fact in group.facts]) for group in groups] == [
        ("Damage", ["Dent"]),
        ("Other values", ["tear", "new"]),
    ]
    assert (groups[0].facts[0].value, groups[0].facts[0].unit) == ("1.5", "mm")
    assert groups[1].facts[0].value is None


def test_a_value_far_from_the_training_rows_is_marked():
    entry = {"kind": "number", "name": "dent", "centre": 5.0, "scale": 1.0}
    manifest = {"columns": [{"name": "dent"}], "neighbours": {"columns": [entry]}}
    display = display_from(display={}, contract={"properties": {"dent": {"minimum": 0}}}, manifest=manifest)

    usual, strange = (display.groups({"dent": value})[0].facts[0] for value in (5.0, 50.0))

    assert (usual.position, usual.is_unusual, usual.usual) == (0.5, False, "usually 3 to 7")
    assert (strange.position, strange.is_unusual) == (1.0, True)


def test_labels_that_two_columns_share_are_told_apart_by_their_group():
    display = {
        "groups": [{"title": "Mean", "columns": ["area_mean"]}, {"title": "Worst", "columns": ["area_worst"]}],
        "labels": {"area_mean": "Area", "area_worst": "Area"},
        "columns": ["area_mean", "area_worst", "age"],
    }

    shown = display_from(display=display, contract={}, manifest={})

    assert [shown.full_label(name) for name in shown.columns] == ["Area, mean", "Area, worst", "age"]


def test_groups_of_the_same_measures_stand_side_by_side():
    shown = display_from(
        display={
            "groups": [{"title": "Mean", "columns": ["a1"]}, {"title": "Worst", "columns": ["a2"]}],
            "labels": {"a1": "Area", "a2": "Area"},
        },
        contract={"properties": {"a1": {}, "a2": {}}},
        manifest={},
    )

    matrix = matrix_of(shown.groups({"a1": 1, "a2": 2}))

    assert matrix.titles == ["Mean", "Worst"]
    assert [(label, [fact.value for fact in facts]) for label, facts in matrix.rows] == [("Area", ["1", "2"])]
    assert matrix_of([Group("only one", [])]) is None
