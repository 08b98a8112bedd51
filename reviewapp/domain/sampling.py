"""Keyed coins in [0, 1), drawn once per case at arrival: reproducible on retry, unpredictable for people."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from reviewapp.domain.policy import AuditRule

_SCALE = 2.0**-64


@dataclass(frozen=True, slots=True)
class Coins:
    """Three independent coins of one case.

    `audit` selects blind audits and the blind share of review, `rollout` the canary share,
    `half` whether the case's label may train (< 0.5) or only certify (≥ 0.5).
    """

    audit: float
    rollout: float
    half: float


def _coin(key: bytes, purpose: bytes, case_id: UUID) -> float:
    # BLAKE2b's keyed mode is a MAC; `person` separates the purposes (RFC 7693, section 2.8 of its reference).
    digest = hashlib.blake2b(case_id.bytes, digest_size=8, key=key[:64], person=purpose).digest()
    # 53 bits fit a double exactly, so a coin of 1.0 cannot come out of rounding.
    return (int.from_bytes(digest, "big") >> 11 << 11) * _SCALE


def draw(key: bytes, case_id: UUID) -> Coins:
    """The coins of a case under a server key."""
    return Coins(
        audit=_coin(key, b"audit", case_id),
        rollout=_coin(key, b"rollout", case_id),
        half=_coin(key, b"half", case_id),
    )


def draw_second(key: bytes, case_id: UUID) -> float:
    """A case's coin for the second reading of an audit that agrees; drawn when it is asked for."""
    return _coin(key, b"second", case_id)


def rate_of_day(*, automatic_per_day: float, rule: AuditRule, doubts: bool = False) -> float:
    """The share of a class's automatic decisions to audit, from how many a day has; the ceiling where it had none.

    `doubts`: the class's breaker doubts it, and its audits are multiplied to know soon.
    """
    if automatic_per_day <= 0:
        return rule.ceiling
    rate = min(max(rule.expected_per_day / automatic_per_day, rule.floor), rule.ceiling)
    return min(rate * rule.amber_factor, rule.ceiling) if doubts else rate
