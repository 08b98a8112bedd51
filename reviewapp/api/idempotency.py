"""`Idempotency-Key`: a writing POST sent twice has one effect and one answer.

The key's row is inserted first, in the transaction of the effect: a twin in flight waits at the unique index and is
then answered from the row, and an error leaves neither effect nor row.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

import msgspec
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.models import IdempotencyKey
from reviewapp.domain.errors import Conflict, Invalid
from reviewapp.registry.actors import Actor
from reviewapp.webhooks import signing

MAX_KEY = 255
KEPT = timedelta(days=30)
LOCK_TIMEOUT = "2s"
REPLAYED = "Idempotent-Replayed"
_LOCK_NOT_AVAILABLE = "55P03"
_KEPT_HEADERS = ("Location", "ETag")

Handler = Callable[..., Response]


def idempotent(handler: Handler) -> Handler:
    """Honour the header on a view's POST. The stored answer is encrypted: it can hold a secret shown once."""

    @wraps(handler)
    def once(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return handler(view, request, *args, **kwargs)
        if not 1 <= len(key) <= MAX_KEY or not key.isprintable() or not key.isascii():
            raise Invalid(
                f"Idempotency-Key must be 1 to {MAX_KEY} printable ASCII characters.", code="idempotency_key_invalid"
            )
        with transaction.atomic():
            stored = _insert_or_find(view.actor, key, request)
            if stored.status is not None:
                return _replay(stored)
            response = handler(view, request, *args, **kwargs)
            _store(stored, response)
            return response

    once.is_idempotent = True  # type: ignore[attr-defined]
    return once


def _insert_or_find(actor: Actor, key: str, request: Request) -> IdempotencyKey:
    """A fresh row, or the one of an earlier call with the same content."""
    row = IdempotencyKey(
        client_id=actor.key.client_id if actor.key else None,
        user=actor.user,
        key=key,
        route=f"{request.method} {request.path}"[:255],
        fingerprint=_fingerprint(request),
    )
    try:
        with transaction.atomic():
            if _insert(row):
                return row
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        raise Conflict(
            "The same Idempotency-Key is being worked on; try again.", code="idempotency_in_flight", retry_after=2
        ) from error
    owner: dict[str, Any] = {"client_id": row.client_id, "user_id": row.user_id}
    found = IdempotencyKey.objects.get(**owner, key=key)
    if found.created_at < timezone.now() - KEPT:
        found.delete()
        return _insert_or_find(actor, key, request)
    if found.route != row.route or bytes(found.fingerprint) != row.fingerprint:
        raise Invalid("This Idempotency-Key was used for another call; take a new one.", code="idempotency_key_reused")
    return found


def _insert(row: IdempotencyKey) -> bool:
    """False when the key exists; waits for a twin that has not committed yet."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        cursor.execute(
            "INSERT INTO api_idempotencykey (client_id, user_id, key, route, fingerprint, created_at) "
            "VALUES (%s, %s, %s, %s, %s, clock_timestamp()) ON CONFLICT DO NOTHING RETURNING id",
            [row.client_id, row.user_id, row.key, row.route, bytes(row.fingerprint)],
        )
        found = cursor.fetchone()
        cursor.execute("SET LOCAL lock_timeout = DEFAULT")
    if found is not None:
        row.pk = found[0]
    return found is not None


def _fingerprint(request: Request) -> bytes:
    content = json.dumps(request.data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{request.get_full_path()}\n{content}".encode()).digest()


def _store(row: IdempotencyKey, response: Response) -> None:
    answer = {
        "data": response.data,
        "headers": {name: response[name] for name in _KEPT_HEADERS if name in response},
        "content_type": response.content_type,
    }
    IdempotencyKey.objects.filter(pk=row.pk).update(
        status=response.status_code, body={"sealed": signing.encrypt(msgspec.json.encode(answer).decode()).decode()}
    )


def _replay(row: IdempotencyKey) -> Response:
    assert row.body is not None
    answer = msgspec.json.decode(signing.decrypt(row.body["sealed"].encode()))
    return Response(
        answer["data"],
        status=row.status,
        headers={**answer["headers"], REPLAYED: "true"},
        content_type=answer["content_type"],
    )
