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
    """

    number: int = 1
    since: datetime | None = None
    terms: Terms | None = None
    exam: Mapping[str, Any] | None = None
    held: float | None = None
    fresh_from: datetime | None = None
    expires_at: datetime | None = None
    violated: Mapping[str, Any] | None = None

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
        }


def delta_of(policy: Policy, answer: str) -> float:
    """The chance that a certificate of the class may be wrong; a joint promise shares it between its classes."""
    delta = policy.promises[answer].delta
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
        )
    if last.expires_at is not None and last.expires_at <= now:
        return Epoch(number=before.number + 1, since=before.fresh_from or before.since)
    return before


def first_id_at(moment: datetime | None) -> UUID:
    """No case that arrived at the moment or later has a smaller id (UUID 7)."""
    return UUID(int=int(moment.timestamp() * 1000) << 80) if moment else UUID(int=0)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
