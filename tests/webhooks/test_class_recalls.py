"""An open breaker's automatic decisions go back to people, those of its class or segment only."""

from typing import Any

import pytest

from reviewapp.accounts.models import User
from reviewapp.cases.actions import recalls
from reviewapp.cases.models import Case, Recall
from reviewapp.domain.errors import Conflict, Forbidden, Invalid
from reviewapp.gating.actions import breakers
from reviewapp.gating.models import Breaker, Hold
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from reviewapp.webhooks import unsending
from tests.factories import bundles, cases, evidence, policies
from tests.people import acting

PROMISES = {"intact": {"target_error": 0.05, "confidence": 0.95}}


@pytest.fixture
def deciding(stream: Stream) -> Stream:
    policies.active(stream, audit_rates={}, promises=PROMISES, segment="dent")
    breakers.watch_all()
    return stream


def opened(stream: Stream, segment: str = "") -> Breaker:
    evidence.labels(stream.model_versions.get(), wrong=8, is_automatic=True, segment=segment)
    breakers.watch_all()
    return Breaker.objects.get(answer="intact", segment=segment)


def recall_all(breaker: Breaker) -> None:
    recalls.start_class(breaker=breaker, by=SYSTEM, reason="It misses tears.")
    while unsending.recall_batch():
        pass


def states(*these: Case) -> list[str]:
    for case in these:
        case.refresh_from_db()
    return [case.state for case in these]


def test_the_class_comes_back_and_other_classes_stay(deciding: Stream) -> None:
    intact, damaged = cases.decided(deciding), cases.scored(deciding, bundles.CLEARLY_DAMAGED)
    assert damaged.state == "decided"

    recall_all(opened(deciding))

    assert states(intact, damaged) == ["in_review", "decided"]
    assert "The breaker of its class opened" in intact.reviews.get(kind="reopened").reasons[0]["sentence"]
    recall = Recall.objects.get()
    assert (recall.answer, recall.num_recalled, recall.num_unsent) == ("intact", 1, 1)
    assert not Hold.objects.filter(lifted_at__isnull=True).exists()


def test_of_a_segment_only_its_own_cases_come_back(deciding: Stream) -> None:
    here = cases.scored(deciding, {"dent": 1.0, "tear": 1.0})
    there = cases.scored(deciding, {"dent": 2.0, "tear": 1.0})
    assert states(here, there) == ["decided", "decided"]

    recall_all(opened(deciding, segment="1"))

    assert states(here, there) == ["in_review", "decided"]
    assert Recall.objects.get().segment == "1"


def test_the_same_decisions_are_not_recalled_twice_at_once(deciding: Stream) -> None:
    breaker = opened(deciding)
    recalls.start_class(breaker=breaker, by=SYSTEM, reason="It misses tears.")

    with pytest.raises(Conflict, match="being recalled already"):
        recalls.start_class(breaker=breaker, by=SYSTEM, reason="Again.")


def test_a_class_that_still_acts_is_not_recalled_and_a_reason_and_role_are_needed(deciding: Stream, rosa: User) -> None:
    closed = Breaker.objects.get(answer="intact", segment="")
    tries: list[tuple[type[Exception], dict[str, Any]]] = [
        (Conflict, {"by": SYSTEM, "reason": "Doubts."}),
        (Invalid, {"by": SYSTEM, "reason": " "}),
        (Forbidden, {"by": acting(rosa), "reason": "Doubts."}),
    ]

    for refusal, given in tries:
        with pytest.raises(refusal):
            recalls.start_class(breaker=closed, **given)
