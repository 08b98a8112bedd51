"""`manage.py register_bundle`."""

from pathlib import Path

import pytest
from django.core.management import call_command

from inference.bundle import write_directory, write_zip
from reviewapp.registry.actions.versions import primary_of
from reviewapp.registry.models import ModelVersion, Stream
from tests.factories import bundles


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    path = tmp_path / "newer.zip"
    path.write_bytes(write_zip(bundles.files("newer")))
    return path


def _names(stream: Stream) -> list[str]:
    return list(ModelVersion.objects.filter(stream=stream).order_by("number").values_list("name", flat=True))


def _primary(stream: Stream) -> str:
    stream.refresh_from_db()
    primary = primary_of(stream)
    assert primary is not None
    return primary.name


def test_a_zip_becomes_a_version_and_the_primary_stays(
    stream: Stream, newer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("register_bundle", newer, "--stream", stream.slug)

    assert _names(stream) == ["parcels", "newer"]
    assert _primary(stream) == "parcels"
    assert capsys.readouterr().out.startswith(f"{stream.slug} v2 (")


def test_a_directory_is_registered_under_a_given_name(stream: Stream, tmp_path: Path) -> None:
    write_directory(bundles.files("newer"), tmp_path / "bundle")

    call_command("register_bundle", tmp_path / "bundle", "--stream", stream.slug, "--name", "Autumn model")

    assert _names(stream) == ["parcels", "Autumn model"]


def test_promote_makes_it_the_primary(stream: Stream, newer: Path) -> None:
    call_command("register_bundle", newer, "--stream", stream.slug, "--promote")

    assert _primary(stream) == "newer"


def test_the_same_again_changes_nothing(stream: Stream, newer: Path) -> None:
    for _ in range(2):
        call_command("register_bundle", newer, "--stream", stream.slug, "--promote")

    assert _names(stream) == ["parcels", "newer"]
    assert stream.rollouts.count() == 2


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[: len(content) // 2], "zip"),
        (lambda content: b"not a bundle at all", "zip"),
        (lambda content: b"", "zip"),
    ],
    ids=["truncated", "foreign", "empty"],
)
def test_what_is_no_bundle_is_refused_in_one_sentence_and_the_model_goes_on(
    stream: Stream, newer: Path, damage: object, said: str
) -> None:
    newer.write_bytes(damage(newer.read_bytes()))  # type: ignore[operator]

    with pytest.raises(SystemExit) as ended:
        call_command("register_bundle", newer, "--stream", stream.slug, "--promote")

    assert said in str(ended.value.code)
    assert "\n" not in str(ended.value.code)
    assert _names(stream) == ["parcels"]
    assert _primary(stream) == "parcels"


def test_a_model_with_other_classes_is_refused(bare_stream: Stream, newer: Path) -> None:
    bare_stream.classes = ["yes", "no"]
    bare_stream.save(update_fields=["classes"])

    with pytest.raises(SystemExit, match="The model's classes are intact, damaged"):
        call_command("register_bundle", newer, "--stream", bare_stream.slug)

    assert _names(bare_stream) == []


def test_a_missing_file_is_said(stream: Stream, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"nothing\.zip cannot be read: No such file or directory\.$"):
        call_command("register_bundle", tmp_path / "nothing.zip", "--stream", stream.slug)


def test_an_unknown_stream_is_said(stream: Stream, newer: Path) -> None:
    with pytest.raises(SystemExit, match=r"The team “default” has no stream “nowhere”\."):
        call_command("register_bundle", newer, "--stream", "nowhere")
