"""A whole deployment on a small table, through the real pipeline and without a database."""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from django.db import connection

from bench.trials.deployment import Cases, Deployment
from reviewapp import inference_client
from reviewapp.cases.models import Case
from reviewapp.domain.errors import Conflict, Invalid
from reviewapp.gating import proof
from reviewapp.monitoring.trial import deployment, oracle, report, run, truth
from reviewapp.monitoring.trial.clock import Clock
from reviewapp.monitoring.trial.plan import Plan, Shift
from reviewapp.monitoring.trial.run import FIRST_DAY, Trial
from reviewapp.registry.policies import read_body


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two numbers that nearly tell the answer, and the day of each row."""
    draw = random.Random(1)
    lines = ["clear,vague,day,answer"]
    for number in range(600):
        clear, vague = draw.gauss(0, 1), draw.gauss(0, 1)
        answer = "keep" if clear + vague / 2 + draw.gauss(0, 0.5) > -1.2 else "drop"
        lines.append(f"{clear:.4f},{vague:.4f},2024-{number // 60 + 1:02d}-{number % 28 + 1:02d},{answer}")
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def plan(table: Path, **changes: Any) -> Plan:
    told = {"target": "answer", "time": "day", "promise": 0.2, "days": 8, "cases": 240}
    return Plan(data=table, **{**told, **changes})


@pytest.mark.django_db
def test_the_pipeline_and_the_quick_repeats_follow_the_same_rules(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "MIN_SCORES", 60)
    told: list[str] = []

    trial = run.run(
        plan(table, shift=Shift(day=6, factor=6)),
        scratch=tmp_path,
        say=lambda _: None,
        opened=lambda _: None,
        told=lambda trial: told.extend(report.lines(trial)),
    )

    quick = _relived(trial)
    for day, evening in zip(trial.days, quick.evenings, strict=True):
        for name, one in day.classes.items():
            mine = evening[name]
            assert (one.threshold, one.state, one.breaker) == (mine.threshold, mine.state, mine.zone.value), day.number
            assert one.rate == pytest.approx(mine.rate)
    acted = [one.is_automatic for day in trial.days for one in day.ruled]
    assert acted == quick.acted.tolist()
    assert any(acted)
    assert len(told) == 2 * len(trial.days)
    summary = report.summary(trial)
    assert summary["automatic"] == sum(acted)
    assert f"Automatic were {sum(acted)} cases" in report.told(summary)[1]
    assert Case.objects.count() == len(acted)
    assert not Case.objects.filter(state="scoring").exists()


def _relived(trial: Trial) -> Deployment:
    stream = trial.deployment.stream
    ruled = [(day.number, one) for day in trial.days for one in day.ruled]
    cases = Cases(
        days=np.array([number for number, _ in ruled]),
        answers=np.array([stream.classes.index(one.answer) for _, one in ruled]),
        confidences=np.array([one.confidence for _, one in ruled]),
        is_wrong=np.array([one.is_wrong for _, one in ruled]),
        coins=np.array([one.coin for _, one in ruled]),
    )
    policy = read_body(trial.deployment.plan.body(tuple(stream.classes)))
    return Deployment(stream.classes, policy, cases).live()


@pytest.mark.django_db
def test_the_clock_stands_still_until_it_is_set() -> None:
    with Clock(FIRST_DAY).running() as clock:
        first = clock.id()
        clock.set(FIRST_DAY + timedelta(days=2))
        later = clock.id()

        with connection.cursor() as cursor:
            cursor.execute("SELECT now(), clock_timestamp(), statement_timestamp()")
            assert set(cursor.fetchone()) == {FIRST_DAY + timedelta(days=2)}
        assert first < clock.id()
        assert (later.int >> 80) - (first.int >> 80) == 2 * 24 * 3600 * 1000
        assert (later.version, later.variant) == (7, "specified in RFC 4122")
        with pytest.raises(ValueError, match="never set back"):
            clock.set(FIRST_DAY)


def test_the_oracle_takes_the_loosest_threshold_that_keeps_the_promise() -> None:
    confidences = [0.9, 0.8, 0.8, 0.7, 0.6]
    is_wrong = [False, False, True, False, True]

    assert oracle.threshold(confidences, is_wrong, target_error=0.1) == 0.9
    # Of equal confidences none is left out: 0.8 alone would have 1 of 3 wrong.
    assert oracle.threshold(confidences, is_wrong, target_error=0.25) == 0.7
    assert oracle.threshold(confidences, is_wrong, target_error=0.4) == 0.6
    assert oracle.threshold([0.9], [True], target_error=0.5) is None


def test_a_shift_multiplies_the_errors_at_every_confidence() -> None:
    shift = Shift(day=1, factor=3)
    rows = [f"row-{number}" for number in range(4_000)]

    answers = [truth.answer(row, "a", predicted="a", confidence=0.9, classes=["a", "b"], shift=shift) for row in rows]

    # Of cases at 0.9, a tenth are wrong without the shift; these are the other nine tenths.
    assert 0.1 + 0.9 * answers.count("b") / len(rows) == pytest.approx(0.3, abs=0.02)
    assert truth.answer("row-1", "b", predicted="a", confidence=0.9, classes=["a", "b"], shift=shift) == "b"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"promise": 1.0}, "--promise is 1"),
        ({"days": 1}, "--days is 1"),
        ({"early": 0.0}, "--early is 0"),
        ({"shift": Shift(day=9)}, "--shift-day is 9; the trial has days 1 to 8"),
        ({"shift": Shift(day=2, factor=0.5)}, "--shift-factor is 0.5"),
        ({"cases": -1}, "--cases is -1"),
        ({"exclude": ("vague", "answer")}, "--exclude names `answer`, which is --target"),
    ],
)
def test_what_cannot_be_tried_is_refused(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        plan(tmp_path / "none.csv", **changes).check()


@pytest.mark.parametrize("option", ["id", "exclude", "text"])
def test_a_column_that_the_data_has_not_is_refused_by_the_files_own_name(table: Path, option: str) -> None:
    named = plan(table, **{option: "colour" if option == "id" else ("colour",)})

    with pytest.raises(Invalid, match=f"^table.csv has no column `colour`, which --{option} names; it has `clear`,"):
        named.check_columns(["clear", "vague"])


@pytest.mark.django_db
def test_what_cannot_be_trained_on_says_that_only_the_early_rows_train(table: Path, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"^The first 0.02 of the rows train \(--early\), and among these: Class “keep”"):
        deployment.open_stream(plan(table, early=0.02), scratch=tmp_path, say=lambda _: None)


@pytest.mark.django_db
def test_cases_that_nobody_can_score_end_the_trial_with_a_sentence(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise ValueError("no such operator")

    monkeypatch.setattr(inference_client, "predict_json", fails)

    with pytest.raises(Conflict, match=r"^30 of 30 cases could not be scored"):
        run.run(plan(table), scratch=tmp_path, say=lambda _: None, opened=lambda _: None, told=lambda _: None)


def test_a_file_that_is_missing_ends_the_command_before_any_server_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("loop_trial", str(tmp_path / "none.csv"), "--target", "answer")

    assert ended.value.code == 2
    assert "none.csv cannot be read or written" in capsys.readouterr().err
