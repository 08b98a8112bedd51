"""The gate's ruling on a batch: what it has to know of each case, the guardrails, and the cap on automatic actions."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from reviewapp.domain import gate
from reviewapp.domain.gate import Facts, Reason, Route, Ruling
from reviewapp.domain.policy import Policy
from reviewapp.gating import guardrails
from reviewapp.gating.actions import caps
from reviewapp.gating.guardrails import Subject
from reviewapp.gating.rulebook import Rulebook
from reviewapp.registry.training_values import learned_by
from reviewapp.writing import array, execute

if TYPE_CHECKING:
    from reviewapp.cases.actions.routing import Scored

# A lease lasts longer by far. Rules cannot loop; only huge cases under many rules get here.
MAX_SECONDS = 10.0
TOO_SLOW = Reason("rule_failed", "The policy's rules took too long on the cases before this one, so people decide.")


def rule(batch: "Sequence[Scored]", rulebook: Rulebook) -> "list[tuple[Scored, Ruling]]":
    """The ruling on every case, those over the cap of automatic actions among them.

    Call it inside the transaction that writes the consequences, and tell `spent` how many did act alone.
    """
    facts = list(_facts(batch, rulebook))
    ruled = [(scored, _rule(scored, known, rulebook)) for scored, known in zip(batch, facts, strict=True)]
    if rulebook.policy is not None and rulebook.policy.cap is not None:
        _cap(ruled, facts, rulebook)
    return ruled


def spent(rulebook: Rulebook, number: int) -> None:
    """Count the cases of a batch that acted alone, where the policy caps them."""
    if number and rulebook.policy is not None and rulebook.policy.cap is not None:
        caps.spend(rulebook.stream.pk, number)


def facts(
    coin: float, rulebook: Rulebook, *, raised: tuple[Reason, ...] = (), open_breakers: frozenset[str] = frozenset()
) -> Facts:
    return Facts(
        coin=coin,
        review_mode=rulebook.review_mode,
        blind_share=rulebook.stream.blind_share,
        is_held=rulebook.is_held,
        raised=raised,
        open_breakers=open_breakers,
    )


def _rule(scored: "Scored", known: Facts, rulebook: Rulebook) -> Ruling:
    if scored.role == "fallback":
        return gate.to_review((gate.ANOTHER_ANSWERED,), facts=known)
    return gate.rule(
        predicted=scored.answer,
        confidence=scored.confidence,
        novelty=scored.novelty,
        facts=known,
        policy=rulebook.policy_for(scored.model_version_id),
    )


def _facts(batch: "Sequence[Scored]", rulebook: Rulebook) -> Iterator[Facts]:
    """A case's values are read only where the policy or an open breaker asks for them."""
    policy, breakers = rulebook.policy, rulebook.open_breakers
    is_segmented = policy is not None and policy.segment is not None and any(segment for _, segment in breakers)
    if policy is None or not (is_segmented or guardrails.looks_at_values(policy)):
        stopped = guardrails.open_for(breakers, "")
        yield from (facts(scored.coin, rulebook, open_breakers=stopped) for scored in batch)
        return
    envelopes = _envelopes(batch) if guardrails.looks_at_envelope(policy) else {}
    deadline = monotonic() + MAX_SECONDS
    for scored in batch:
        subject = _subject(scored, envelopes.get(scored.case_id))
        raised = _raised(policy, subject, scored) if monotonic() < deadline else (TOO_SLOW,)
        stopped = guardrails.open_for(breakers, guardrails.segment_of(policy, subject.features))
        yield facts(scored.coin, rulebook, raised=raised, open_breakers=stopped)


def _raised(policy: Policy, subject: Subject, scored: "Scored") -> tuple[Reason, ...]:
    learned = learned_by(scored.model_version_id) if policy.is_range_checked else None
    return guardrails.raised(policy, subject, learned)


class Envelope(NamedTuple):
    """What came beside a case's features; `context` as JSON."""

    context: str
    observed_at: datetime | None
    received_at: datetime


_ENVELOPES = """
SELECT i.case_id::text, i.context::text, i.observed_at, i.received_at
FROM unnest(%s::uuid[], %s::int[]) AS wanted(case_id, generation)
JOIN cases_caseinput i ON i.case_id = wanted.case_id AND i.generation = wanted.generation
"""


def _envelopes(batch: "Sequence[Scored]") -> Mapping[str, Envelope]:
    ids, generations = array(one.case_id for one in batch), array(one.generation for one in batch)
    return {case_id: Envelope(*found) for case_id, *found in execute(_ENVELOPES, [ids, generations])}


def _subject(scored: "Scored", envelope: Envelope | None) -> Subject:
    return Subject(
        features=_read(scored.features),
        predicted=scored.answer,
        confidence=scored.confidence,
        context=_read(envelope.context) if envelope else {},
        observed_at=envelope.observed_at if envelope else None,
        received_at=envelope.received_at if envelope else None,
    )


_read = msgspec.json.Decoder(dict).decode


def _cap(ruled: "list[tuple[Scored, Ruling]]", known: Sequence[Facts], rulebook: Rulebook) -> None:
    """Send what would act alone beyond the cap to people instead: those that came last."""
    assert rulebook.policy is not None
    assert rulebook.policy.cap is not None
    automatic = [place for place, (_, ruling) in enumerate(ruled) if ruling.route is Route.AUTO]
    if not automatic:
        return
    room = caps.room(rulebook.stream.pk, rulebook.policy.cap)
    # The ids say in which order cases came.
    automatic.sort(key=lambda place: ruled[place][0].case_id)
    for place in automatic[room:]:
        scored, ruling = ruled[place]
        ruled[place] = scored, gate.capped(ruling, facts=known[place], cap=rulebook.policy.cap)
