import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import InvalidToken
from django.test import override_settings
from standardwebhooks import Webhook, WebhookVerificationError

from reviewapp.webhooks import signing
from tests.webhooks import deliveries

pytestmark = pytest.mark.django_db


def signed(event, *secrets, now=None):
    content = signing.body(event)
    return content, signing.headers(event=event, content=content, secret_texts=secrets, now=now or datetime.now(UTC))


def test_the_reference_library_accepts_the_signature(bare_stream):
    secret = signing.new_secret()
    content, headers = signed(deliveries.happened(bare_stream), secret)

    assert Webhook(secret).verify(content, headers) == json.loads(content)


def test_a_changed_body_is_refused_by_the_reference_library(bare_stream):
    secret = signing.new_secret()
    content, headers = signed(deliveries.happened(bare_stream), secret)

    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(content.replace(b"1.5", b"2.5"), headers)


def test_an_old_timestamp_is_refused_by_the_reference_library(bare_stream):
    secret = signing.new_secret()
    content, headers = signed(deliveries.happened(bare_stream), secret, now=datetime.now(UTC) - timedelta(minutes=6))

    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(content, headers)


def test_both_secrets_of_a_rotation_verify(bare_stream):
    new, old = signing.new_secret(), signing.new_secret()
    content, headers = signed(deliveries.happened(bare_stream), new, old)

    assert headers["webhook-signature"].count(" ") == 1
    assert Webhook(new).verify(content, headers)
    assert Webhook(old).verify(content, headers)


def test_the_body_is_the_same_bytes_on_every_try(bare_stream):
    event = deliveries.happened(bare_stream)
    first = signing.body(event)

    event.refresh_from_db()

    assert signing.body(event) == first
    assert json.loads(first) == {
        "type": "decision.made",
        "timestamp": event.created_at.isoformat().replace("+00:00", "Z"),
        "data": {"case": "example", "amount": 1.5, "note": "grüezi"},
    }
    assert signing.message_id(event) == f"msg_{event.pk}"


def test_a_secret_has_32_random_bytes_and_is_not_readable_at_rest():
    secret = signing.new_secret()

    kept = signing.encrypt(secret)

    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert secret.encode() not in kept
    assert base64.b64decode(secret.removeprefix("whsec_")) not in kept
    assert signing.decrypt(kept) == secret


def test_secrets_outlive_a_change_of_the_secret_key_only_with_the_old_key_as_fallback(settings):
    before, kept = settings.SECRET_KEY, signing.encrypt("whsec_example")

    with override_settings(SECRET_KEY="another key of more than thirty-two characters"):
        with pytest.raises(InvalidToken):
            signing.decrypt(kept)
        with override_settings(SECRET_KEY_FALLBACKS=[before]):
            assert signing.decrypt(kept) == "whsec_example"
