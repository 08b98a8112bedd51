"""`manage.py create_api_key`."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from reviewapp.registry.actions import clients
from reviewapp.registry.models import ApiKey, Stream


def test_the_key_is_printed_alone_and_works(bare_stream: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    call_command(
        "create_api_key", "--client", "billing", "--stream", bare_stream.slug, "--scope", "cases:write", "cases:read"
    )

    text = capsys.readouterr().out.strip()
    key = clients.key_for(text)
    assert key is not None
    assert key.client.name == "billing"
    assert key.scopes == ["cases:read", "cases:write"]
    assert list(ApiKey.objects.get(pk=key.pk).streams.all()) == [bare_stream]
    assert key.expires_at is None


def test_it_expires_after_the_days_given(db: Any) -> None:
    call_command("create_api_key", "--client", "billing", "--scope", "cases:read", "--days", "30")

    expires_at = ApiKey.objects.get().expires_at
    assert expires_at is not None
    assert 29 <= (expires_at - timezone.now()).days <= 30


@pytest.mark.parametrize("days", ["0", "-3", "soon"])
def test_a_number_of_days_that_is_none_is_refused(db: Any, days: str) -> None:
    with pytest.raises(CommandError, match=f"“{days}” is no number of days"):
        call_command("create_api_key", "--client", "billing", "--scope", "cases:read", f"--days={days}")

    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scope", "everything"], "Unknown scopes: everything"),
        (["--scope", "cases:read", "--stream", "nowhere"], "has no stream “nowhere”"),
        (["--scope", "cases:read", "--team", "strangers"], "There is no team “strangers”"),
    ],
)
def test_what_does_not_exist_is_refused_in_one_sentence(db: Any, arguments: list[str], said: str) -> None:
    with pytest.raises(SystemExit, match=said):
        call_command("create_api_key", "--client", "billing", *arguments)

    assert not ApiKey.objects.exists()
