"""`manage.py register_bundle`."""

import json
from pathlib import Path

import pytest
from django.core.management import call_command

from inference.bundle import write_directory, write_zip
from reviewapp.registry.actions.versions import primary_of
from reviewapp.registry.models import ModelVersion, Stream
from tests.factories import bundles, streams
from tests.inference import exports


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

    with pytest.raises(SystemExit, match=r"lacks the class “yes”; .* does not have the model's class “intact”"):
        call_command("register_bundle", newer, "--stream", bare_stream.slug)

    assert _names(bare_stream) == []


def test_a_missing_file_is_said(stream: Stream, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"nothing\.zip cannot be read: No such file or directory\.$"):
        call_command("register_bundle", tmp_path / "nothing.zip", "--stream", stream.slug)


def test_an_unknown_stream_is_said(stream: Stream, newer: Path) -> None:
    with pytest.raises(SystemExit, match=r"The team “default” has no stream “nowhere”\."):
        call_command("register_bundle", newer, "--stream", "nowhere")


@pytest.fixture
def flowers(db: None) -> Stream:
    return streams.bare(classes=("setosa", "versicolor", "virginica"))


def _exported(name: str, folder: Path, **changes: object) -> Path:
    """An export on disk, its manifest beside it; a change of None takes a field out of the manifest."""
    given = exports.export(name)
    manifest = {key: value for key, value in {**given.manifest, **changes}.items() if value is not None}
    (folder / f"{name}.onnx").write_bytes(given.graph)
    (folder / f"{name}.json").write_text(json.dumps(manifest))
    (folder / "rows.json").write_text(json.dumps(given.rows))
    return folder / f"{name}.onnx"


def test_the_gate_tells_what_a_registered_model_costs(stream: Stream, newer: Path) -> None:
    call_command("register_bundle", newer, "--stream", stream.slug)

    budget = ModelVersion.objects.get(name="newer").bundle.run_budget  # type: ignore[union-attr]
    assert budget["peak_rss"] > 20_000_000
    assert budget["batch_seconds"] > 0
    assert budget["isolation"]


def test_a_bare_model_is_registered_with_the_manifest_beside_it(flowers: Stream, tmp_path: Path) -> None:
    path = _exported("xgboost_multiclass", tmp_path)

    call_command("register_bundle", path, "--stream", flowers.slug, "--sample", tmp_path / "rows.json", "--promote")

    assert _primary(flowers) == "xgboost_multiclass"
    bundle = ModelVersion.objects.get().bundle
    assert bundle is not None
    assert bundle.manifest["lineage"]["upload"]["background"] == "sample"


def test_what_a_manifest_leaves_open_is_said_on_the_command_line(flowers: Stream, tmp_path: Path) -> None:
    path = _exported("torch_logits", tmp_path, classes=None, activation=None)
    classes, output = "setosa, versicolor,virginica", "linear_1"

    call_command(
        *("register_bundle", path, "--stream", flowers.slug, "--classes", classes),
        *("--output", output, "--activation", "softmax"),
    )

    assert _names(flowers) == ["torch_logits"]


def test_an_mlflow_folder_is_registered(flowers: Stream) -> None:
    call_command("register_bundle", exports.MLFLOW, "--stream", flowers.slug, "--name", "flowers")

    assert _names(flowers) == ["flowers"]


def test_a_bare_model_without_a_manifest_is_told_which(flowers: Stream, tmp_path: Path) -> None:
    path = _exported("torch_logits", tmp_path)
    path.with_suffix(".json").unlink()

    with pytest.raises(SystemExit, match=r"write torch_logits\.json beside it with `name`, `classes` and `columns`"):
        call_command("register_bundle", path, "--stream", flowers.slug)

    assert _names(flowers) == []


def test_a_bundle_takes_no_words_of_a_bare_model(stream: Stream, newer: Path) -> None:
    with pytest.raises(SystemExit, match="This is a bundle"):
        call_command("register_bundle", newer, "--stream", stream.slug, "--activation", "softmax")


def test_a_model_with_other_columns_is_refused_naming_each(stream: Stream, tmp_path: Path) -> None:
    columns = [{"name": "dent", "dtype": "category", "values": ["small", "large"]}, {"name": "age", "dtype": "int"}]
    path = _exported("xgboost_binary", tmp_path, classes=["intact", "damaged"], columns=columns)

    with pytest.raises(SystemExit) as ended:
        call_command("register_bundle", path, "--stream", stream.slug, "--promote")

    said = str(ended.value.code)
    assert "“dent” is string in the model and number in the contract" in said
    assert "The contract does not have the model's column “age” (int)" in said
    assert "The model lacks the column “tear”, which the contract requires" in said
    assert _primary(stream) == "parcels"
