"""Standard Webhooks 1.0.0: what is sent, its signature, and the secrets it is signed with."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

import msgspec
from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from reviewapp.events.models import Event

SECRET_PREFIX = "whsec_"  # noqa: S105 the prefix, not a secret
SECRET_BYTES = 32


def new_secret() -> str:
    """A fresh secret as the receiver's library takes it."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def encrypt(secret: str) -> bytes:
    return _box().encrypt(secret.encode())


def decrypt(encrypted: bytes | memoryview) -> str:
    """The secret's text. Raises cryptography's InvalidToken when SECRET_KEY is not the one it was kept under."""
    return _box().decrypt(bytes(encrypted)).decode()


def message_id(event: Event) -> str:
    """The same on every try, so that a receiver can tell a repetition."""
    return f"msg_{event.pk}"


def body(event: Event) -> bytes:
    """The bytes sent for an event: they follow from the immutable event alone, so every try sends the same."""
    return msgspec.json.encode(
        {
            "type": event.type,
            "timestamp": event.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "data": msgspec.Raw(bytes(event.payload)),
        }
    )


def headers(*, event: Event, content: bytes, secret_texts: Iterable[str], now: datetime) -> dict[str, str]:
    """The three headers of one try; during a rotation both secrets sign, separated by a space."""
    identity, stamp = message_id(event), str(int(now.timestamp()))
    return {
        "webhook-id": identity,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(
            sign(secret=text, message_id=identity, timestamp=stamp, content=content) for text in secret_texts
        ),
    }


def sign(*, secret: str, message_id: str, timestamp: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + content
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _box() -> MultiFernet:
    return _box_of(settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


@lru_cache(maxsize=4)
def _box_of(*keys: str) -> MultiFernet:
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(key: str) -> bytes:
    derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"reviewapp endpoint secrets")
    return base64.urlsafe_b64encode(derivation.derive(key.encode()))
