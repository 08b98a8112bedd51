"""`manage.py train`."""

from argparse import ArgumentTypeError
from pathlib import Path

import pytest
from django.core.management import call_command

from inference import upload_gate
from reviewapp.events.models import Event
from reviewapp.registry.actions import training, versions
from reviewapp.registry.management.commands.train import image_size
from reviewapp.registry.models import Bundle, ModelVersion, Stream
from tests.factories import training_files

pytestmark = pytest.mark.django_db

OPTIONS = ["--target", "outcome", "--id", "parcel", "--exclude", "day", "note"]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return training_files.write(tmp_path / "parcels.csv", training_files.parcels(400))


def run(path: Path, *options: str, slug: str = "parcels") -> None:
    call_command("train", path, "--stream", slug, *OPTIONS, *options, "--out", path.parent / "out")


def refused(capsys: pytest.CaptureFixture[str], path: Path, *options: str, slug: str = "parcels") -> str:
    with pytest.raises(SystemExit) as ended:
        run(path, *options, slug=slug)
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_a_file_becomes_a_stream_with_a_model_that_serves(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(rows)

    stream = Stream.objects.get(slug="parcels")
    primary = versions.primary_of(stream)
    assert stream.classes == ["broken", "late"]
    assert primary is not None
    assert primary.bundle is not None
    assert (primary.number, primary.bundle.state) == (1, "ready")
    assert primary.bundle.run_budget["peak_rss"] > 0
    assert set(training.contract_for_training(stream)) == {"weight", "zone", "depot", "is_member", "carrier"}
    said = capsys.readouterr().out
    assert "`currency` is “EUR” in every row: left out." in said
    assert "gradient boosting" in said
    assert "Stream parcels opened. parcels v1" in said
    assert "now the primary" in said


def test_bundle_and_card_are_left_behind(rows: Path) -> None:
    run(rows)

    card = (rows.parent / "out/model-card.html").read_text()
    assert card.startswith("<!doctype html>")
    assert "<script" not in card
    assert "http" not in card
    assert Bundle.objects.get().pk in card
    assert (rows.parent / "out/bundle.zip").stat().st_size > 10_000


def test_the_next_training_is_the_next_version_and_the_primary_stays(rows: Path) -> None:
    run(rows)
    training_files.write(rows, training_files.parcels(400, seed=1))

    run(rows, "--name", "newer")

    stream = Stream.objects.get(slug="parcels")
    names = list(ModelVersion.objects.filter(stream=stream).order_by("number").values_list("name", flat=True))
    primary = versions.primary_of(stream)
    assert names == ["parcels", "newer"]
    assert primary is not None
    assert primary.number == 1


def test_columns_beyond_the_contract_are_left_out(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(rows)
    table = training_files.parcels(400, seed=1)
    training_files.write(rows, {**table, "height": [len(note) for note in table["note"]]})

    run(rows)

    assert "`height` is not in the stream's contract: left out." in capsys.readouterr().out
    assert ModelVersion.objects.count() == 2


def test_bad_data_ends_with_two_and_leaves_nothing(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = training_files.parcels(400)
    table["weight"][11] = "heavy"
    training_files.write(rows, table)

    sentence = refused(capsys, rows)

    assert "Column `weight` mixes numbers with words: row 12 has “heavy”" in sentence
    assert (Stream.objects.count(), Bundle.objects.count(), Event.objects.count()) == (0, 0, 0)
    assert not list((rows.parent / "out").iterdir())


def test_a_bundle_the_gate_refuses_leaves_nothing(
    rows: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(upload_gate.examine.__kwdefaults__, "timeout_s", 0.01)

    sentence = refused(capsys, rows)

    assert "took longer than" in sentence
    assert (Stream.objects.count(), Bundle.objects.count()) == (0, 0)


def test_other_classes_are_refused_before_training(
    stream: Stream, rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = refused(capsys, rows, slug=stream.slug)

    assert "`broken`, `late`" in sentence
    assert "`intact`, `damaged`" in sentence
    assert stream.model_versions.count() == 1


def test_a_slug_that_is_none_and_a_file_that_is_not_there_are_said(
    rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "“no slug” cannot be opened" in refused(capsys, rows, slug="no slug")
    assert "cannot be read" in refused(capsys, rows.with_name("nothing.csv"))


@pytest.mark.parametrize("size", ["8", "0x8", "axb"])
def test_a_size_that_is_none_is_said(size: str) -> None:
    with pytest.raises(ArgumentTypeError, match="28x28"):
        image_size(size)
