"""What automatic decisions of late did, counted from real rows."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from reviewapp.cases import harm
from reviewapp.registry.models import Stream
from reviewapp.registry.policies import read_body
from tests.factories import bundles, cases, evidence, policies


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


def test_reviews_overdue_audits_and_other_streams_do_not_count(stream: Stream) -> None:
    version = stream.model_versions.get()
    evidence.labels(version, wrong=3)
    evidence.labels(version, wrong=3, is_automatic=True, is_overdue=True)
    evidence.labels(version, wrong=3, is_automatic=True, at=timezone.now() - timedelta(days=31))

    found = parity_of(stream)

    assert found.groups == ()


def test_values_become_losses(stream: Stream) -> None:
    evidence.labels(stream.model_versions.get(), right=30, wrong=1, is_automatic=True, value=12.0)

    found = parity_of(stream, value={"column": "dent", "cap": 100.0, "promised_loss": 1.0})

    assert found.loss["intact"].estimate == pytest.approx(12 / 31)
    assert found.loss["intact"].promised == 1.0
