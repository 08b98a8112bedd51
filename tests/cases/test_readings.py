"""Which cases are read unseen how likely, and which of them still wait."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db.models.functions import Now
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.accounts.models import User
from reviewapp.cases import readings
from reviewapp.cases.actions import evidence, overdue
from reviewapp.cases.models import Case, Prediction
from reviewapp.domain import gate
from reviewapp.domain.gate import Facts
from reviewapp.domain.policy import AuditRule, Policy, Promise
from reviewapp.gating.epochs import first_id_at
from reviewapp.gating.rulebook import Rulebook, Standing
from reviewapp.registry.actions import rollouts
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.factories import cases, policies, reviews, rivals, streams

COMMIT = {"review_mode": "commit_then_reveal"}


@pytest.fixture
def committing(db: None) -> Stream:
    """A stream whose reviewers answer before anything is shown; its automatic decisions are audited one in four."""
    return streams.ready(policy={"audit_rate": 0.25}, **COMMIT)


def read(case: Case, user: User, answer: str) -> None:
    reviews.answer(reviews.claimed(case.stream, user, case), user, answer)


ACTS = Policy(thresholds={"intact": 0.9}, audit_rates={"intact": 0.1}, never_automate=frozenset({"damaged"}))


def routed(**facts: Any) -> readings.Routed:
    known: dict[str, Any] = {"answer": "intact", "threshold": 0.9, "probability": 1.0, "codes": frozenset()}
    return readings.Routed(**{**known, "policy": ACTS, "rates": {}, **facts})


class TestLeastProbability:
    """It may depend on the class and the time, never on the case."""

    @pytest.mark.parametrize(
        ("facts", "expected"),
        [
            ({}, 0.1),
            ({"probability": 0.1}, 0.1),
            ({"threshold": None, "probability": 0.3}, 0.3),
            ({"codes": frozenset({"held"})}, 1.0),
            ({"codes": frozenset({"never_automate"})}, 1.0),
            ({"codes": frozenset({"breaker_open"})}, 0.1),
            ({"codes": frozenset({"cap_reached"})}, 0.1),
            ({"codes": frozenset({"below_threshold"})}, 0.1),
            ({"policy": None, "threshold": None}, 1.0),
            ({"rates": {"intact": 0.4}}, 0.1),
            ({"policy": replace(ACTS, audit_rates={}), "rates": {"intact": 0.4}}, 0.4),
            ({"policy": replace(ACTS, audit_rates={}, audit=AuditRule(ceiling=0.7))}, 0.7),
        ],
    )
    def test_of_the_version_that_routed(self, facts: dict[str, Any], expected: float) -> None:
        assert readings.least_probability(routed(**facts)) == expected

    @pytest.mark.parametrize(
        ("mode", "blind_share", "facts", "expected"),
        [
            ("commit_then_reveal", 0.0, {}, 0.1),
            ("blind", 0.0, {"probability": 0.05}, 0.05),
            ("assisted", 0.2, {}, 0.1),
            ("assisted", 0.05, {}, 0.05),
            ("assisted", 0.0, {}, 0.0),
            ("assisted", 0.3, {"policy": None}, 0.3),
            ("assisted", 0.0, {"policy": replace(ACTS, audit_rates={"intact": 0.1, "damaged": 0.02})}, 0.02),
            (
                "commit_then_reveal",
                0.0,
                {
                    "policy": Policy(
                        thresholds={}, promises={"damaged": Promise(0.05, 0.95)}, audit=AuditRule(ceiling=0.6)
                    )
                },
                0.6,
            ),
        ],
    )
    def test_of_a_version_that_looked_on(
        self, mode: str, blind_share: float, facts: dict[str, Any], expected: float
    ) -> None:
        stream = Stream(classes=["intact", "damaged"], review_mode=mode, blind_share=blind_share)

        assert readings.least_probability_of_any(routed(**facts), stream) == expected


CLASSES = ("intact", "damaged", "lost")
shares = st.floats(0.01, 1.0)
some_shares = st.dictionaries(st.sampled_from(CLASSES), shares)


@st.composite
def rulebooks(draw: st.DrawFn) -> Rulebook:
    """What may govern a stream at one moment."""
    promised = draw(st.sets(st.sampled_from(CLASSES)))
    certified = {name: draw(shares) for name in promised if draw(st.booleans())}
    policy = Policy(
        thresholds=draw(some_shares),
        audit_rates=draw(some_shares),
        never_automate=frozenset(draw(st.sets(st.sampled_from(CLASSES), max_size=1))),
        promises=dict.fromkeys(promised, Promise(0.05, 0.95)),
        audit=AuditRule(ceiling=draw(shares)),
    )
    mode = draw(st.sampled_from(Stream.Mode.values))
    return Rulebook(
        stream=Stream(classes=list(CLASSES), review_mode=mode, blind_share=draw(st.floats(0.0, 1.0))),
        read_at=datetime(2026, 1, 31, tzinfo=UTC),
        rollout_id=None,
        policy_version_id=None,
        policy_number=1,
        policy=policy,
        is_held=draw(st.booleans()),
        standings={str(VERSION): Standing(certified, dict.fromkeys(certified, "an id"), draw(some_shares))},
        open_breakers=frozenset((name, "") for name in draw(st.sets(st.sampled_from(CLASSES), max_size=1))),
    )


VERSION = UUID(int=7)


def every_routing(rulebook: Rulebook) -> Iterator[readings.Routed]:
    """Each class at many confidences, as the gate routes it under these rules."""
    facts = Facts(
        coin=0.5,
        review_mode=rulebook.review_mode,
        blind_share=rulebook.stream.blind_share,
        is_held=rulebook.is_held,
        open_breakers=frozenset(name for name, _ in rulebook.open_breakers),
    )
    for answer in CLASSES:
        for confidence in (0.0, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0):
            ruling = gate.rule(
                predicted=answer,
                confidence=confidence,
                novelty=None,
                facts=facts,
                policy=rulebook.policy_for(VERSION),
            )
            yield readings.Routed(
                answer=answer,
                threshold=ruling.threshold,
                probability=ruling.inclusion_probability,
                codes=frozenset(reason.code for reason in ruling.reasons),
                policy=rulebook.policy,
                rates=rulebook.standings[str(VERSION)].audit_rates,
            )


@given(rulebook=rulebooks())
def test_a_labels_weight_never_follows_the_confidence_of_its_case(rulebook: Rulebook) -> None:
    """π · (least π / π) is the same for every case of a class: that makes the bet on its labels a fair one."""
    every = list(every_routing(rulebook))

    for answer in CLASSES:
        cases_of_class = [one for one in every if one.answer == answer]
        (least,) = {readings.least_probability(one) for one in cases_of_class}
        assert least <= min(one.probability for one in cases_of_class)
    (of_any,) = {readings.least_probability_of_any(one, rulebook.stream) for one in every}
    assert of_any <= min(one.probability for one in every)


class TestPending:
    """Up to where evidence counts."""

    def waiting(self, stream: Stream) -> dict[str, UUID]:
        return evidence.pending_since(stream.model_versions.earliest("number"), first_id_at(None))

    def test_evidence_counts_up_to_the_first_case_that_waits_for_its_reading(
        self, committing: Stream, rosa: User
    ) -> None:
        first, second = (cases.in_review(committing) for _ in range(2))
        answer = Prediction.objects.get(case=first).answer
        assert self.waiting(committing) == {answer: first.pk}

        claimed = reviews.claimed(committing, rosa, first)
        assert self.waiting(committing) == {answer: first.pk}
        reviews.answer(claimed, rosa, "intact")

        assert self.waiting(committing) == {answer: second.pk}

    def test_an_audit_waits_until_its_readers_agree(self, rosa: User, ravi: User) -> None:
        audited = streams.ready(policy={"audit_rate": 1.0})
        case = cases.decided(audited)
        read(case, rosa, "damaged")
        assert self.waiting(audited) == {"intact": case.pk}

        read(case, ravi, "damaged")

        assert self.waiting(audited) == {}

    def test_what_is_no_evidence_is_not_waited_for(self, db: None) -> None:
        guarded = streams.ready(policy={"audit_rate": 0.25, "novelty_floor": 1.0}, **COMMIT)
        cases.in_review(guarded)
        assisted = streams.ready(blind_share=0.0)
        cases.in_review(assisted)

        assert self.waiting(guarded) == {}
        assert self.waiting(assisted) == {}

    def test_what_is_overdue_is_waited_for_until_it_is_entered_as_wrong(self, committing: Stream) -> None:
        case = cases.in_review(committing)
        answer = Prediction.objects.get(case=case).answer
        Prediction.objects.update(created_at=Now() - timedelta(days=8))
        assert self.waiting(committing) == {answer: case.pk}

        overdue.mark_overdue_in(committing)

        assert self.waiting(committing) == {}

    def test_what_somebody_holds_beyond_its_time_is_waited_for(self, committing: Stream, rosa: User) -> None:
        case = cases.in_review(committing)
        answer = Prediction.objects.get(case=case).answer
        reviews.claimed(committing, rosa, case)
        Prediction.objects.update(created_at=Now() - timedelta(days=8))

        overdue.mark_overdue_in(committing)

        assert self.waiting(committing) == {answer: case.pk}

    def test_fewer_overdue_days_leave_no_reading_out(self, committing: Stream) -> None:
        case = cases.in_review(committing)
        answer = Prediction.objects.get(case=case).answer
        Prediction.objects.update(created_at=Now() - timedelta(days=4))

        policies.active(committing, audit_rate=0.25, audit={"overdue_days": 1.0})

        assert self.waiting(committing) == {answer: case.pk}

    def test_an_old_reading_that_is_no_evidence_is_not_waited_for(self, db: None) -> None:
        guarded = streams.ready(policy={"audit_rate": 0.25, "novelty_floor": 1.0}, **COMMIT)
        cases.in_review(guarded)
        Prediction.objects.update(created_at=Now() - timedelta(days=8))

        assert self.waiting(guarded) == {}

    def test_a_shadow_waits_for_the_cases_of_its_own_classes(self, committing: Stream) -> None:
        rival = rivals.version(committing)
        rollouts.start_shadow(version=rival, by=SYSTEM)
        policies.active(committing, threshold=1.0, audit_rate=0.25)
        case = cases.scored(committing, rivals.TORN)
        rivals.shadow_all()

        assert self.waiting(committing) == {"damaged": case.pk}
        assert evidence.pending_since(rival, first_id_at(None)) == {"intact": case.pk}
