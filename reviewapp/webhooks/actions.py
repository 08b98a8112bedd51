"""Endpoints: created, changed, stopped and tried out; each write is an event."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Max, Q
from django.db.models.functions import Now

from reviewapp.accounts.models import Team
from reviewapp.celery import enqueue
from reviewapp.domain.errors import Conflict, Forbidden, Invalid, NotFound
from reviewapp.events import actions as events
from reviewapp.events.models import Event
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Role, Stream
from reviewapp.webhooks import circuits, signing
from reviewapp.webhooks.addresses import check_url
from reviewapp.webhooks.models import Delivery, Endpoint, EndpointSecret
from reviewapp.webhooks.relay import DELIVER_TASK

State = Endpoint.State
MAY_CHANGE = (Role.LEAD, Role.INTEGRATOR)
# For so long the secret before the latest still signs: receivers change over without losing a message.
OVERLAP = timedelta(hours=24)
CHANGEABLE = frozenset({"url", "description", "event_types", "streams"})


@transaction.atomic
def create_endpoint(
    *,
    team: Team,
    url: str,
    by: Actor,
    description: str = "",
    event_types: Sequence[str] = (),
    streams: Iterable[Stream] = (),
) -> tuple[Endpoint, str]:
    """A new endpoint and its signing secret, which is shown this once. Empty types and streams mean all of them."""
    chosen = list(streams)
    _check_may(by, team.pk, {stream.pk for stream in chosen})
    check_url(url)
    _check_streams(team.pk, chosen)
    endpoint = Endpoint(team=team, url=url, description=description[:200], event_types=_checked_types(event_types))
    _save(endpoint, force_insert=True)
    endpoint.streams.set(chosen)
    secret = _add_secret(endpoint)
    _record("endpoint.created", endpoint, by, _content(endpoint))
    return endpoint, secret


@transaction.atomic
def update_endpoint(*, endpoint: Endpoint, by: Actor, **changes: Any) -> Endpoint:
    """Change an endpoint's url, description, event_types or streams; the same content again changes nothing."""
    if unknown := changes.keys() - CHANGEABLE:
        raise TypeError(f"an endpoint has no {', '.join(sorted(unknown))} to change")
    endpoint = _locked(endpoint, by)
    before = _content(endpoint)
    if "streams" in changes:
        streams = list(changes["streams"])
        _check_may(by, endpoint.team_id, {stream.pk for stream in streams})
        _check_streams(endpoint.team_id, streams)
        endpoint.streams.set(streams)
    if "url" in changes:
        check_url(changes["url"])
        endpoint.url = changes["url"]
    if "description" in changes:
        endpoint.description = changes["description"][:200]
    if "event_types" in changes:
        endpoint.event_types = _checked_types(changes["event_types"])
    _save(endpoint, update_fields=["url", "description", "event_types"])
    after = _content(endpoint)
    if after["url"] != before["url"]:
        circuits.close(endpoint.pk)
    if after != before:
        _record("endpoint.updated", endpoint, by, after)
    return endpoint


@transaction.atomic
def disable(*, endpoint: Endpoint, by: Actor, reason: str) -> Endpoint:
    """Send nothing more; events from now on pass the endpoint by, and what still waits stays for `enable`."""
    return _turn(_locked(endpoint, by), State.DISABLED, by, reason)


@transaction.atomic
def pause(*, endpoint: Endpoint, by: Actor, reason: str = "") -> Endpoint:
    """Send nothing for now; events go on being kept for the endpoint."""
    return _turn(_locked(endpoint, by), State.PAUSED, by, reason)


@transaction.atomic
def enable(*, endpoint: Endpoint, by: Actor) -> Endpoint:
    """Send again, beginning with what waited."""
    endpoint = _turn(_locked(endpoint, by), State.ACTIVE, by, "")
    circuits.close(endpoint.pk)
    enqueue(DELIVER_TASK)
    return endpoint


@transaction.atomic
def rotate(*, endpoint: Endpoint, by: Actor, latest: int | None = None) -> str:
    """A new secret, shown this once; the one before signs beside it for a day, an older one ends now.

    Raises Conflict when `latest` is given and is not the number of the latest secret: it was rotated meanwhile.
    """
    endpoint = _locked(endpoint, by)
    if latest is not None and endpoint.secrets.aggregate(last=Max("number"))["last"] != latest:
        raise Conflict(
            "The secret was rotated since that page was shown, perhaps by sending the page again; the new one was "
            "shown once. Go to Endpoints and rotate it anew if nobody noted it.",
            code="already_rotated",
        )
    live = endpoint.secrets.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=Now()))
    live.filter(expires_at__isnull=False).update(expires_at=Now())
    endpoint.secrets.filter(expires_at__isnull=True).update(expires_at=Now() + OVERLAP)
    secret = _add_secret(endpoint)
    _record("endpoint.rotated", endpoint, by, {})
    return secret


@transaction.atomic
def ping(*, endpoint: Endpoint, by: Actor) -> Event:
    """Send an event of its own to this endpoint alone, whatever it subscribes to."""
    endpoint = _locked(endpoint, by)
    _check_active(endpoint)
    return _record("endpoint.pinged", endpoint, by, {"url": endpoint.url})


@transaction.atomic
def redeliver(*, delivery: Delivery, by: Actor) -> Delivery:
    """Send an event once more, now, with all its tries; the receiver knows it by the same webhook-id."""
    endpoint = _locked(delivery.endpoint, by)
    _check_active(endpoint)
    updated = Delivery.objects.filter(pk=delivery.pk, lease_token__isnull=True).update(
        state=Delivery.State.PENDING, attempts=0, next_at=Now(), closed_at=None
    )
    if not updated:
        raise Conflict("It is being sent at this moment.", code="delivery_under_way")
    _record("delivery.redelivered", endpoint, by, {"delivery": str(delivery.pk)})
    enqueue(DELIVER_TASK)
    delivery.refresh_from_db()
    return delivery


def disable_gone(endpoint: Endpoint, *, by: Actor) -> None:
    """The receiver said that the endpoint is gone for good. Call it in the transaction of the result."""
    current = Endpoint.objects.select_for_update(of=("self",), no_key=True).get(pk=endpoint.pk)
    _turn(current, State.DISABLED, by, "The receiver answered 410: it is gone.")


def disable_failing(endpoint: Endpoint, *, by: Actor, period: timedelta) -> None:
    """Nothing has got through for so long. Call it in the transaction of the result; what waits stays for `enable`."""
    current = Endpoint.objects.select_for_update(of=("self",), no_key=True).get(pk=endpoint.pk)
    if current.state == State.ACTIVE:
        _turn(current, State.DISABLED, by, f"Every delivery has failed for {period.days} days; see the log for why.")


def _turn(endpoint: Endpoint, state: State, by: Actor, reason: str) -> Endpoint:
    if endpoint.state == state:
        return endpoint
    endpoint.state, endpoint.state_reason = state, reason.strip()[:200]
    endpoint.save(update_fields=["state", "state_reason"])
    name = "enabled" if state == State.ACTIVE else state.value
    _record(f"endpoint.{name}", endpoint, by, {"reason": endpoint.state_reason})
    return endpoint


def _locked(endpoint: Endpoint, by: Actor) -> Endpoint:
    locked = Endpoint.objects.select_for_update(of=("self",), no_key=True).filter(pk=endpoint.pk).first()
    if locked is None or not (by.sees_everything or locked.team_id in by.team_ids):
        raise NotFound("There is no such endpoint.")
    _check_may(by, locked.team_id, set(locked.streams.values_list("pk", flat=True)))
    return locked


def _check_may(by: Actor, team_id: UUID, stream_ids: set[UUID]) -> None:
    if by.key is not None:
        if by.key.client.team_id != team_id:
            raise NotFound("There is no such team.")
        # A key of some streams must not learn, through an endpoint, what happens in the others.
        if by.key_stream_ids and not (stream_ids and stream_ids <= by.key_stream_ids):
            raise Forbidden("This key may serve endpoints of its own streams only.", code="stream_forbidden")
    elif not by.has_team_role(team_id, MAY_CHANGE):
        raise Forbidden("You need to be lead or integrator of the whole team for this.", code="role_required")


def _check_active(endpoint: Endpoint) -> None:
    if endpoint.state != State.ACTIVE:
        raise Conflict(f"The endpoint is {endpoint.state}; enable it first.", code="endpoint_not_active")


def _check_streams(team_id: UUID, streams: Iterable[Stream]) -> None:
    if any(stream.team_id != team_id for stream in streams):
        _refuse("streams", "stream_unknown", "An endpoint hears of its own team's streams only.")


def _checked_types(event_types: Sequence[str]) -> list[str]:
    if unknown := sorted(set(event_types) - events.PUBLISHED):
        message = f"Unknown event types: {', '.join(unknown)}; use {', '.join(sorted(events.PUBLISHED))}."
        _refuse("event_types", "event_type_unknown", message)
    return sorted(set(event_types))


def _refuse(field: str, code: str, message: str) -> None:
    raise Invalid(message, code=code, errors=[{"field": field, "code": code, "message": message}])


def _save(endpoint: Endpoint, **how: Any) -> None:
    try:
        with transaction.atomic():
            endpoint.save(**how)
    except IntegrityError as error:
        raise Conflict("The team already has an endpoint at this address.", code="endpoint_exists") from error


def _add_secret(endpoint: Endpoint) -> str:
    secret = signing.new_secret()
    last = endpoint.secrets.aggregate(last=Max("number"))["last"] or 0
    EndpointSecret.objects.create(endpoint=endpoint, number=last + 1, encrypted=signing.encrypt(secret))
    return secret


def _content(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": endpoint.event_types,
        "streams": sorted(endpoint.streams.values_list("slug", flat=True)),
    }


def _record(type_: str, endpoint: Endpoint, by: Actor, payload: dict[str, Any]) -> Event:
    return events.record(
        events.Happening(
            type=type_,
            subject=f"endpoint:{endpoint.pk}",
            actor=str(by),
            payload={"endpoint": str(endpoint.pk), **payload},
            team_id=endpoint.team_id,
        )
    )
