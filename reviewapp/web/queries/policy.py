"""What acts alone in a stream at this moment, class by class, and what stops it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Q
from django.utils import timezone

from reviewapp.domain.policy import Policy, Promise
from reviewapp.gating import wording
from reviewapp.gating.models import AuditRate, Breaker, Certificate, Hold
from reviewapp.registry.actions import versions
from reviewapp.registry.models import ModelVersion, PolicyVersion, Stream
from reviewapp.registry.policies import read_body

NO_LOOK = "No look at the evidence has been taken yet; the first follows within minutes."


@dataclass(frozen=True)
class ClassNow:
    """One class: what it promises, what the evidence says, and from where it acts alone (None: people decide).

    state: certified, unproven, violated, expired, uncertified, never, or review where nothing is said of the class.
    """

    name: str
    promise: Promise | None
    state: str
    threshold: float | None
    certificate: Certificate | None
    audit_rate: float | None
    audit_cause: str
    breakers: Sequence[Breaker]

    @property
    def promise_sentence(self) -> str:
        return wording.promise(self.promise.target_error, self.promise.confidence) if self.promise else ""

    @property
    def sentence(self) -> str:
        """The counts behind the certificate, what they rule out, and what is missing."""
        if self.promise is None:
            return ""
        return self.certificate.evidence.get("sentence", NO_LOOK) if self.certificate else NO_LOOK

    @property
    def is_stopped(self) -> bool:
        """Whether the breaker of the whole class is open."""
        return any(one.state == Breaker.State.OPEN and not one.segment for one in self.breakers)

    @property
    def acts(self) -> bool:
        return self.threshold is not None and not self.is_stopped and self.state not in {"never", "expired"}

    @property
    def expires_at(self) -> datetime | None:
        is_in_use = self.certificate is not None and self.state == Certificate.State.CERTIFIED
        return self.certificate.expires_at if is_in_use and self.certificate else None


@dataclass(frozen=True)
class Acting:
    """The stream's gate at this moment, for its primary model."""

    version: PolicyVersion | None
    policy: Policy
    primary: ModelVersion | None
    classes: Sequence[ClassNow]
    holds: Sequence[Hold]

    @property
    def num_acting(self) -> int:
        return sum(one.acts for one in self.classes)

    @property
    def is_held(self) -> bool:
        return any(hold.scope in {Hold.Scope.AUTOMATION, Hold.Scope.ALL} for hold in self.holds)

    @property
    def has_uncertified(self) -> bool:
        return any(one.state == "uncertified" for one in self.classes)


def acting(stream: Stream) -> Acting:
    active = stream.policy_versions.filter(state=PolicyVersion.State.ACTIVE).first()
    policy, primary = read_body(active.body if active else {}), versions.primary_of(stream)
    certificates = _certificates(stream, primary)
    rates, breakers = _rates(stream, primary), _breakers(stream)
    return Acting(
        version=active,
        policy=policy,
        primary=primary,
        classes=[_class(name, policy, certificates.get(name), rates, breakers) for name in stream.classes],
        holds=holds_on(stream),
    )


def holds_on(stream: Stream) -> list[Hold]:
    """The holds that stop this stream now, its own and those over everything."""
    found = Hold.objects.filter(Q(stream=stream) | Q(stream__isnull=True), lifted_at__isnull=True)
    return list(found.order_by("placed_at", "pk"))


def _class(
    name: str,
    policy: Policy,
    certificate: Certificate | None,
    rates: Mapping[str, AuditRate],
    breakers: Mapping[str, list[Breaker]],
) -> ClassNow:
    promise, by_hand, rate = policy.promises.get(name), policy.thresholds.get(name), rates.get(name)
    state, threshold = _standing(name, policy, certificate)
    if by_hand is None and state == Certificate.State.CERTIFIED:
        threshold = certificate.threshold if certificate else None
    set_by_hand = policy.audit_rates.get(name)
    return ClassNow(
        name=name,
        promise=promise,
        state=state,
        threshold=threshold,
        certificate=certificate if promise else None,
        audit_rate=set_by_hand if set_by_hand is not None else rate.rate if rate else None,
        audit_cause="By hand." if set_by_hand is not None else rate.cause if rate else "",
        breakers=breakers.get(name, []),
    )


def _standing(name: str, policy: Policy, certificate: Certificate | None) -> tuple[str, float | None]:
    if name in policy.never_automate:
        return "never", None
    if name in policy.thresholds:
        return "uncertified", policy.thresholds[name]
    if name not in policy.promises:
        return "review", None
    if certificate is None:
        return Certificate.State.UNPROVEN, None
    is_over = certificate.expires_at is not None and certificate.expires_at <= timezone.now()
    return ("expired" if is_over else certificate.state), None


def _certificates(stream: Stream, primary: ModelVersion | None) -> dict[str, Certificate]:
    found = Certificate.objects.filter(stream=stream, model_version=primary, voided_at__isnull=True)
    return {one.scope: one for one in found} if primary else {}


def _rates(stream: Stream, primary: ModelVersion | None) -> dict[str, AuditRate]:
    today = timezone.now().astimezone(UTC).date()
    found = AuditRate.objects.filter(stream=stream, model_version=primary, day=today)
    return {one.answer: one for one in found} if primary else {}


def _breakers(stream: Stream) -> dict[str, list[Breaker]]:
    """By class its own breaker, and of its segments, which may be many, those that are not closed."""
    found: dict[str, list[Breaker]] = {}
    told = Breaker.objects.filter(~Q(state=Breaker.State.CLOSED) | Q(segment=""), stream=stream)
    for one in told.order_by("answer", "segment"):
        found.setdefault(one.answer, []).append(one)
    return found
