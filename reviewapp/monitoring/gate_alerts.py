"""Alerts of the gate: an open breaker, a certificate about to end, a promise that is shown to be broken."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from reviewapp.cases import harm
from reviewapp.gating import wording
from reviewapp.gating.actions import breakers
from reviewapp.gating.actions.certificates import database_now
from reviewapp.gating.models import Breaker, Certificate
from reviewapp.gating.parity import Harm, Keeping, Parity
from reviewapp.monitoring.models import Alert
from reviewapp.registry.models import PolicyVersion, Stream
from reviewapp.registry.policies import read_body

BREAKER_OPEN, EXPIRING = "breaker-open", "certificate-expires"
VIOLATED, BROKEN = "certificate-violated", "promise-broken"
NOTICE = timedelta(days=7)
NAMES = (BREAKER_OPEN, EXPIRING, VIOLATED, BROKEN)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An alert that should stand open."""

    stream: Stream
    severity: Alert.Severity
    summary: str


def keep() -> None:
    """Open the alerts that there is cause for now, and close those whose cause is gone."""
    now = database_now()
    _keep(BREAKER_OPEN, dict(_open_breakers()))
    _keep(EXPIRING, dict(_expiring(now)))
    _keep(VIOLATED, dict(_violated()))


def keep_promises() -> None:
    """The same for losses and wrong decisions per 1,000 arrivals, which take longer to count."""
    _keep(BROKEN, dict(_broken_promises()))


@transaction.atomic
def _keep(name: str, wanted: Mapping[str, Wanted]) -> None:
    standing = {alert.subject: alert for alert in Alert.objects.filter(name=name, closed_at__isnull=True)}
    Alert.objects.filter(name=name, closed_at__isnull=True).exclude(subject__in=list(wanted)).update(closed_at=Now())
    for subject, one in wanted.items():
        alert = standing.get(subject)
        if alert is None:
            Alert.objects.create(
                name=name, subject=subject, stream=one.stream, severity=one.severity, summary=one.summary
            )
        elif alert.summary != one.summary:
            Alert.objects.filter(pk=alert.pk).update(summary=one.summary)


def _open_breakers() -> Iterator[tuple[str, Wanted]]:
    for one in Breaker.objects.filter(state=Breaker.State.OPEN).select_related("stream").order_by("pk"):
        watched = wording.watched(one.answer, one.segment)
        summary = f"The breaker of {watched} is open. {breakers.told(one)}"
        yield f"breaker:{one.pk}", Wanted(one.stream, Alert.Severity.PAGE, summary)


def _in_force() -> Iterator[Certificate]:
    found = Certificate.objects.filter(voided_at__isnull=True).select_related("stream", "model_version")
    yield from found.order_by("pk")


def _expiring(now: datetime) -> Iterator[tuple[str, Wanted]]:
    for one in _in_force():
        if one.expires_at is None or one.state != Certificate.State.CERTIFIED or one.expires_at - NOTICE > now:
            continue
        summary = (
            f"The certificate of “{one.scope}” on model {one.model_version.number} ends on "
            f"{one.expires_at:%d %B %Y}. Blind answers since it was issued decide at which threshold it is renewed."
        )
        yield f"certificate:{one.pk}", Wanted(one.stream, Alert.Severity.TICKET, summary)


def _violated() -> Iterator[tuple[str, Wanted]]:
    for one in _in_force():
        # What was only promised and never acted harms nobody.
        if one.state == Certificate.State.VIOLATED and one.evidence.get("violated"):
            summary = f"“{one.scope}” on model {one.model_version.number} goes to people. {one.evidence['sentence']}"
            yield f"certificate:{one.pk}", Wanted(one.stream, Alert.Severity.PAGE, summary)


def _broken_promises() -> Iterator[tuple[str, Wanted]]:
    promising = Q(body__wrong_per_thousand__isnull=False) | Q(body__value__isnull=False)
    active = PolicyVersion.objects.filter(promising, state=PolicyVersion.State.ACTIVE).select_related("stream")
    for version in active.order_by("pk"):
        policy = read_body(version.body)
        if policy.wrong_per_thousand is None and (policy.value is None or policy.value.promised_loss is None):
            continue
        found = harm.parity_of(version.stream, policy)
        told = " ".join(_broken(found))
        if told:
            yield f"stream:{version.stream_id}", Wanted(version.stream, Alert.Severity.TICKET, told)


def _broken(found: Parity) -> Iterator[str]:
    rate = found.per_thousand
    if rate is not None and rate.keeping is Keeping.BROKEN:
        yield f"Wrong automatic decisions per 1,000 arrivals: {_told(rate)}."
    for answer, loss in found.loss.items():
        if loss.keeping is Keeping.BROKEN:
            yield f"Mean loss of an automatic “{answer}”: {_told(loss)}."


def _told(figure: Harm) -> str:
    assert figure.promised is not None, "only a promise can be broken"
    return f"{wording.number(figure.low)} or more, {wording.number(figure.promised)} promised"
