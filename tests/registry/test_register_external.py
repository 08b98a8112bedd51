"""`manage.py register_external`."""

from typing import Any

import pytest
from django.core.management import call_command

from reviewapp.registry.actions.versions import primary_of
from reviewapp.registry.models import ModelVersion, Stream


def _register(*words: str) -> None:
    call_command("register_external", *words)


def test_a_model_that_upstream_runs_becomes_a_version_and_the_primary_stays(
    stream: Stream, capsys: pytest.CaptureFixture[str]
) -> None:
    _register("upstream-7", "--stream", stream.slug)

    version = stream.model_versions.get(name="upstream-7")
    assert (version.kind, version.bundle) == (ModelVersion.Kind.EXTERNAL, None)
    assert capsys.readouterr().out == f"{stream.slug} v{version.number} (external): registered, not promoted.\n"
    stream.refresh_from_db()
    assert primary_of(stream) != version


def test_promoted_it_is_the_primary_and_the_same_again_changes_nothing(stream: Stream) -> None:
    for _ in range(2):
        _register("upstream-7", "--stream", stream.slug, "--promote")

    stream.refresh_from_db()
    assert primary_of(stream) == stream.model_versions.get(kind="external")
    assert stream.rollouts.count() == 2


def test_it_opens_a_stream(db: Any, capsys: pytest.CaptureFixture[str]) -> None:
    _register("scorer", "--stream", "loan-requests", "--open", "accept, refuse")

    opened = Stream.objects.get(slug="loan-requests")
    assert opened.classes == ["accept", "refuse"]
    assert primary_of(opened) == opened.model_versions.get(name="scorer")
    assert capsys.readouterr().out.startswith("Stream loan-requests opened.")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("m", "--stream", "nowhere"), "no stream “nowhere”"),
        (("", "--stream", "fresh", "--open", "a,b"), "name of 1 to 120"),
        (("m" * 121, "--stream", "fresh", "--open", "a,b"), "name of 1 to 120"),
        (("m\n", "--stream", "fresh", "--open", "a,b", "--team", "nobody"), "no team “nobody”"),
        (("m", "--stream", "fresh", "--open", "a"), "“fresh” cannot be opened"),
        (("m", "--stream", "No Slug", "--open", "a,b"), "“No Slug” cannot be opened"),
    ],
)
def test_after_a_refusal_nothing_is_there(db: Any, words: tuple[str, ...], says: str) -> None:
    with pytest.raises(SystemExit, match=says):
        _register(*words)

    assert not Stream.objects.filter(slug="fresh").exists()
