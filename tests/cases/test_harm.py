"""What automatic decisions of late did, counted from real rows."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from reviewapp.accounts.models import User
from reviewapp.cases import harm
from reviewapp.cases.models import Case
from reviewapp.registry.models import Stream
from reviewapp.registry.policies import read_body
from tests.factories import bundles, cases, evidence, policies, reviews


def parity_of(stream: Stream, **body: Any) -> harm.Parity:
    policy = policies.active(stream, **body)
    return harm.parity_of(stream, read_body(policy.body))


def test_decisions_and_arrivals_are_counted_by_class(stream: Stream) -> None:
    cases.decided(stream)
    cases.scored(stream, bundles.CLEARLY_DAMAGED)
    cases.in_review(stream)

    found = parity_of(stream)

    assert (found.arrivals, found.automatic) == (3, 2)
    assert {(one.answer, one.segment): one.automatic for one in found.groups} == {
        ("damaged", ""): 1,
        ("intact", ""): 1,
    }


def test_segments_are_those_of_the_policys_column(stream: Stream) -> None:
    cases.scored(stream, {"dent": 1.0, "tear": 1.0})
    cases.scored(stream, {"dent": 1.5, "tear": 1.0})
    evidence.labels(stream.model_versions.get(), right=3, wrong=1, is_automatic=True, segment="1.5")

    found = parity_of(stream, segment="dent")

    assert [(one.segment, one.automatic, one.audits, one.wrong) for one in found.groups] == [
        ("1", 1, 0, 0),
        ("1.5", 4, 4, 1),
    ]


def test_audits_are_told_by_the_columns_that_the_policy_names_now(stream: Stream, rosa: User, ravi: User) -> None:
    policies.active(stream, audit_rate=1.0)
    for answer in ("intact", "damaged"):
        case = cases.scored(stream, {"dent": 1.0, "tear": 2.0})
        reviews.answer(reviews.claimed(stream, rosa, case), rosa, answer)
    reviews.answer(reviews.claimed(stream, ravi, case), ravi, "damaged")

    found = parity_of(stream, segment="tear", value={"column": "dent", "cap": 100.0, "promised_loss": 2.0})

    assert [(one.segment, one.automatic, one.audits, one.wrong) for one in found.groups] == [("2", 2, 2, 1)]
    assert found.loss["intact"].estimate == pytest.approx(0.5)


def test_a_contradicted_audit_is_in_doubt_until_it_is_settled(stream: Stream, rosa: User, ravi: User) -> None:
    policies.active(stream, audit_rate=1.0)
    case = cases.scored(stream, {"dent": 1.0, "tear": 2.0})
    value = {"column": "dent", "cap": 100.0, "promised_loss": 2.0}

    reviews.answer(reviews.claimed(stream, rosa, case), rosa, "damaged")
    contradicted = parity_of(stream, segment="tear", value=value)
    reviews.answer(reviews.claimed(stream, ravi, case), ravi, "damaged")
    settled = parity_of(stream, segment="tear", value=value)

    assert [(one.segment, one.audits, one.wrong, one.in_doubt) for one in contradicted.groups] == [("2", 1, 0, 1)]
    assert [(one.segment, one.audits, one.wrong, one.in_doubt) for one in settled.groups] == [("2", 1, 1, 0)]
    assert (contradicted.loss["intact"].estimate, settled.loss["intact"].estimate) == (0.0, 1.0)


def test_reviews_overdue_audits_and_other_streams_do_not_count(stream: Stream) -> None:
    version = stream.model_versions.get()
    evidence.labels(version, wrong=3)
    evidence.labels(version, wrong=3, is_automatic=True, is_overdue=True)
    evidence.labels(version, wrong=3, is_automatic=True, at=timezone.now() - timedelta(days=31))

    found = parity_of(stream)

    assert found.groups == ()


def test_errors_late_in_the_period_are_not_taken_for_a_promise_kept(stream: Stream) -> None:
    evidence.labels(stream.model_versions.get(), right=120, wrong=25, is_automatic=True, value=100.0)

    found = parity_of(stream, value={"column": "dent", "cap": 100.0, "promised_loss": 5.0})

    loss = found.loss["intact"]
    assert loss.estimate == pytest.approx(100 * 25 / 145)
    assert loss.low < loss.estimate < loss.bound
    assert loss.keeping == "broken"


def test_values_become_losses(stream: Stream) -> None:
    evidence.labels(stream.model_versions.get(), right=30, wrong=1, is_automatic=True, value=12.0)

    found = parity_of(stream, value={"column": "dent", "cap": 100.0, "promised_loss": 1.0})

    assert found.loss["intact"].estimate == pytest.approx(12 / 31)
    assert found.loss["intact"].promised == 1.0


def test_where_more_acted_than_is_counted_the_period_is_shorter(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harm, "WINDOW", 2)
    earlier = [cases.in_review(stream), cases.decided(stream)]
    Case.objects.filter(pk__in=[case.pk for case in earlier]).update(received_at=timezone.now() - timedelta(days=2))
    cases.decided(stream)
    cases.decided(stream)

    found = parity_of(stream)

    # The case of the oldest decision that is counted came before it.
    assert (found.automatic, found.arrivals) == (2, 1)
    assert found.days < 1
