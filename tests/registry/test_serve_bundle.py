"""`manage.py serve_bundle`: finding what is to be served; the server itself is tested beside it."""

from pathlib import Path

import pytest
from django.core.management import call_command

from inference import archive
from reviewapp.registry.actions.versions import primary_of
from reviewapp.registry.management.commands import serve_bundle
from reviewapp.registry.models import Bundle, Stream


def digest_of(stream: Stream) -> str:
    primary = primary_of(stream)
    assert primary is not None
    assert primary.bundle is not None
    return primary.bundle.digest


def test_the_beginning_of_a_digest_finds_a_verified_copy(stream: Stream) -> None:
    digest = digest_of(stream)

    path, expected = serve_bundle.place(digest[:10])

    assert expected == digest
    assert archive.digest(archive.read_directory(path)) == digest


def test_a_path_is_served_as_it_is(tmp_path: Path) -> None:
    assert serve_bundle.place(str(tmp_path)) == (tmp_path, None)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("given", "said"),
    [("absent.zip", "no file absent.zip"), ("abc", "8 to 64 digits"), ("0123456789", "No registered bundle")],
)
def test_what_is_not_found_is_one_sentence(given: str, said: str) -> None:
    with pytest.raises(SystemExit, match=said):
        call_command("serve_bundle", given)


def test_a_bundle_that_was_refused_is_not_served(stream: Stream) -> None:
    Bundle.objects.filter(pk=digest_of(stream)).update(state=Bundle.State.REFUSED, refusal="too slow")

    with pytest.raises(SystemExit, match="that may run"):
        call_command("serve_bundle", digest_of(stream))


def test_options_are_checked_before_anything_is_loaded(stream: Stream) -> None:
    with pytest.raises(SystemExit, match="--threads must be 1 or more"):
        call_command("serve_bundle", digest_of(stream), "--threads", "0")
