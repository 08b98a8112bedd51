"""Epochs: one attempt to earn a promise, with what it is judged by, as certificates keep it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from reviewapp.domain.policy import Policy
from reviewapp.gating.models import Certificate
from reviewapp.gating.proof import Terms


@dataclass(frozen=True, slots=True)
class Epoch:
    """One attempt. Evidence of cases that arrived from `since` on counts; None: from the first.

    terms: None until enough confidences were served to draw a ladder. exam: the first exam, taken once. held: the
    loosest threshold certified so far, at first one carried over from a stricter promise. fresh_from: where the
    evidence for the next epoch begins. violated: how the promise was broken before, where nothing was proven since.
    restarts: how many attempts were ended by hand before this one. reached_in: the rollout since which the same cases
    reach the version, by its generation.
    """

    number: int = 1
    since: datetime | None = None
    terms: Terms | None = None
    exam: Mapping[str, Any] | None = None
    held: float | None = None
    fresh_from: datetime | None = None
    expires_at: datetime | None = None
    violated: Mapping[str, Any] | None = None
    restarts: int = 0
    reached_in: int = 0

    @property
    def examined(self) -> float | None:
        return self.exam["threshold"] if self.exam else None

    def as_dict(self) -> dict[str, Any]:
        """Without `since`, `held` and `expires_at`, which are columns of a certificate."""
        terms = self.terms
        return {
            "epoch": self.number,
            "ladder": list(terms.ladder) if terms else None,
            "starts": list(terms.starts) if terms else None,
            "shares": list(terms.shares) if terms else None,
            "delta": terms.delta if terms else None,
            "live_delta": terms.live_delta if terms else None,
            "exam": dict(self.exam) if self.exam else None,
            "fresh_from": self.fresh_from.isoformat() if self.fresh_from else None,
            "violated": dict(self.violated) if self.violated else None,
            "restarts": self.restarts,
            "reached_in": self.reached_in,
        }


def delta_of(policy: Policy, answer: str, *, restarts: int = 0) -> float:
    """The chance that a certificate of the class may be wrong; a joint promise shares it between its classes.

    An attempt that follows others which were ended by hand gets less: who begins anew until luck helps gains little,
    for all the chances together stay below 1.65 δ.
    """
    delta = policy.promises[answer].delta / (1 + restarts) ** 2
    return delta / len(policy.promises) if policy.is_joint else delta


def terms_of(content: Mapping[str, Any], *, target_error: float) -> Terms | None:
    """The terms in a certificate's evidence, or in the event that announced it."""
    if content.get("ladder") is None:
        return None
    return Terms(
        target_error,
        content["delta"],
        content["live_delta"],
        tuple(content["ladder"]),
        tuple(content["starts"]),
        tuple(content["shares"]),
    )


def epoch_of(certificate: Certificate) -> Epoch:
    """The epoch that a certificate belongs to."""
    evidence = certificate.evidence
    return Epoch(
        number=evidence.get("epoch", 1),
        since=certificate.since,
        terms=terms_of(evidence, target_error=certificate.target_error),
        exam=evidence.get("exam"),
        held=certificate.threshold,
        fresh_from=_moment(evidence.get("fresh_from")),
        expires_at=certificate.expires_at,
        violated=evidence.get("violated"),
        restarts=evidence.get("restarts", 0),
        reached_in=evidence.get("reached_in", 0),
    )


def after(last: Certificate | None, *, now: datetime) -> Epoch:
    """The epoch that is under way after the last certificate of a class: the same, or a new one."""
    if last is None:
        return Epoch()
    before = epoch_of(last)
    if last.voided_at is not None:
        follows = last.evidence.get("next", {})
        held, expires_at = follows.get("carried"), _moment(follows.get("expires_at"))
        if follows.get("is_same"):
            return replace(before, held=held, expires_at=expires_at)
        return Epoch(
            number=before.number + 1,
            since=_moment(follows.get("since")) or last.voided_at,
            held=held,
            expires_at=expires_at,
            violated=follows.get("violated"),
            restarts=0 if _is_over(last) else before.restarts + _is_restart(last),
        )
    if last.expires_at is not None and last.expires_at <= now:
        return Epoch(number=before.number + 1, since=before.fresh_from or before.since)
    return before


def _is_over(last: Certificate) -> bool:
    """Whether it stood for as long as it was to stand."""
    return last.expires_at is not None and last.voided_at is not None and last.expires_at <= last.voided_at


def _is_restart(last: Certificate) -> bool:
    """Whether labels were looked at in an attempt that did not come to its own end."""
    is_by_hand = last.evidence.get("next", {}).get("is_by_hand", False)
    was_looked_at = last.evidence.get("ladder") is not None and last.evidence.get("labels", 0) > 0
    return was_looked_at and (is_by_hand or last.state != Certificate.State.CERTIFIED)


def first_id_at(moment: datetime | None) -> UUID:
    """The least id (UUID 7) that a case which arrives at the moment can have, by the clock that draws its id."""
    return UUID(int=int(moment.timestamp() * 1000) << 80) if moment else UUID(int=0)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
