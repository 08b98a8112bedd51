"""Ratios, verdicts and the table, from figures that are given."""

import io
import json

import pytest

from bench import table
from bench.samples import Goal, Recorder, Result, Sample, interleave

MORE = Goal("G0", "more of it", "the least", "1/s", target=0.5, stretch=0.8)
LESS = Goal("G0", "less of it", "the least", "ms", target=2.0, stretch=1.5, is_less_better=True)


@pytest.mark.parametrize(
    ("goal", "product", "verdict"),
    [
        (MORE, 90.0, "met, stretch"),
        (MORE, 60.0, "met"),
        (MORE, 40.0, "missed"),
        (LESS, 120.0, "met, stretch"),
        (LESS, 190.0, "met"),
        (LESS, 250.0, "missed"),
    ],
)
def test_the_median_ratio_decides(goal: Goal, product: float, verdict: str) -> None:
    assert Result(goal, product=[product, product, 1.0], anchor=[100.0, 100.0, 1.0]).verdict == verdict


def test_ratios_are_taken_round_by_round() -> None:
    result = Result(MORE, product=[10.0, 30.0], anchor=[100.0, 50.0])

    assert result.ratios == [0.1, 0.6]


def test_a_round_whose_anchor_moved_is_flagged_and_kept() -> None:
    result = Result(MORE, product=[50.0] * 4, anchor=[100.0, 102.0, 60.0, 98.0])

    assert result.noisy == [3]
    assert len(result.ratios) == 4


def test_a_wrong_answer_is_no_result() -> None:
    assert Result(MORE, product=[100.0], anchor=[100.0], wrong="two of them").verdict == "WRONG"


def test_a_condition_beside_the_ratio_can_be_missed() -> None:
    assert Result(MORE, product=[100.0], anchor=[100.0], misses=["too old"]).verdict == "missed"


def test_without_an_anchor_nothing_is_claimed() -> None:
    result = Result(MORE, product=[100.0])

    assert result.verdict == "not run"
    assert "not run" in table.render([result])


def test_anchor_and_product_take_turns_after_a_cold_call_of_each() -> None:
    called: list[str] = []
    out = io.StringIO()

    def side(name: str, value: float) -> Sample:
        called.append(name)
        return Sample(value, {"states": 3})

    result = interleave(
        MORE, Recorder(out), product=lambda: side("product", 2), anchor=lambda: side("anchor", 4), rounds=2
    )

    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert called == ["product", "anchor"] + ["anchor", "product"] * 2
    assert [line["round"] for line in lines] == ["cold", "cold", 1, 1, 2, 2]
    assert lines[0]["states"] == 3
    assert result.ratios == [0.5, 0.5]


def test_a_missed_goal_is_shown_as_missed() -> None:
    text = table.render([Result(MORE, product=[1.0], anchor=[10.0]), Result(LESS, product=[1.0], anchor=[10.0])])

    assert "missed" in text
    assert "met, stretch" in text
    assert len({len(line) for line in text.splitlines()}) == 1
