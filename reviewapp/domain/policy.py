"""What a policy version says, as the gate and the evidence behind it read it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Promise:
    """At most `target_error` of a class's automatic decisions are wrong; such certificates are right with `confidence`.

    Both in (0, 1).
    """

    target_error: float
    confidence: float

    @property
    def delta(self) -> float:
        """The chance that a certificate of this promise is wrong."""
        return 1 - self.confidence


@dataclass(frozen=True, slots=True)
class AuditRule:
    """How the day's audit rate of a class follows from its recent volume, and how audits are read.

    expected_per_day: audits of a class that a day should bring; floor, ceiling: least and greatest rate;
    amber_factor: by how much the rate grows while the breaker doubts; overdue_days: after how many days an audit that
    nobody answered counts as wrong; second_read_share: share of agreeing audits that a second person reads too;
    confirm_share: share of unseen answers to ordinary reviews against the model that a second person confirms.
    """

    expected_per_day: float = 20.0
    floor: float = 0.03
    ceiling: float = 1.0
    amber_factor: float = 5.0
    overdue_days: float = 7.0
    second_read_share: float = 0.1
    confirm_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Rule:
    """A routing rule: cases for which the CEL expression `when` is true go to people."""

    name: str
    when: str


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `limit` automatic actions in `seconds`."""

    limit: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Value:
    """What a wrong decision costs: the case's `column`, at most `cap`; `promised_loss` is the mean loss held a case."""

    column: str
    cap: float
    promised_loss: float | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What a policy version says.

    thresholds: class → confidence in (0, 1] at or above which it may act alone, set by hand or, where the class has
    none of its own, certified; a class without one is reviewed.
    certificates: class → id of the certificate its threshold comes from; none for a threshold set by hand.
    audit_rates: class → share r of automatic decisions that are audited blind.
    """

    thresholds: Mapping[str, float]
    audit_rates: Mapping[str, float] = field(default_factory=dict)
    never_automate: frozenset[str] = frozenset()
    novelty_floor: float | None = None
    promises: Mapping[str, Promise] = field(default_factory=dict)
    is_joint: bool = False
    audit: AuditRule = AuditRule()
    certificate_days: float = 90.0
    false_trips_per_year: float = 0.05
    required_columns: tuple[str, ...] = ()
    stale_after: float | None = None
    is_range_checked: bool = False
    rules: tuple[Rule, ...] = ()
    cap: Cap | None = None
    segment: str | None = None
    value: Value | None = None
    wrong_per_thousand: float | None = None
    certificates: Mapping[str, str] = field(default_factory=dict)
