"""The short form of the simulations; the page is written by the long one."""

import json
from pathlib import Path

import pytest

from bench.simulate.__main__ import PAGE, main
from bench.simulate.cells import Cell, Figure, frequency
from bench.simulate.page import TOPICS, render


def test_the_short_form_keeps_every_promise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cells.jsonl"
    before = PAGE.read_bytes() if PAGE.exists() else b""

    code = main(["--small", "--out", str(out)])

    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert code == 0, capsys.readouterr().err
    assert {line["topic"] for line in lines} == set(TOPICS)
    assert sum(line["most"] is not None for line in lines) >= 10
    assert (PAGE.read_bytes() if PAGE.exists() else b"") == before


def test_a_rate_above_the_promise_is_noticed() -> None:
    assert frequency("missed", 100, 2000, most=0.05).is_kept
    assert frequency("missed", 110, 2000, most=0.05).is_kept
    assert not frequency("missed", 145, 2000, most=0.05).is_kept
    assert frequency("missed", 145, 2000).is_kept is None


@pytest.mark.parametrize(
    ("value", "better", "is_kept"), [(84, "more", True), (80, "more", False), (99, "more", True), (99, "", False)]
)
def test_a_figure_may_be_better_than_expected(value: float, better: str, is_kept: bool) -> None:
    assert Figure("automated", value, "%", expected=84, within=3, better=better).is_kept is is_kept


def test_the_page_shows_what_is_not_as_expected() -> None:
    cell = Cell("walk", "calibrated", 2000, [Figure("exam: of the oracle's", 70.0, "%", 84, 3, better="more")])

    text = render([cell], seed=1)

    assert "| calibrated | 2,000 | **70.0 % (84.0)** |" in text
    assert "0 of 1 compared figures" in text
    assert "- calibrated: exam: of the oracle's **70.0 % (84.0)**" in text


def test_an_unknown_topic_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["weather"])

    assert "no such topic: weather" in capsys.readouterr().err
