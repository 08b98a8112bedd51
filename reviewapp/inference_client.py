"""The only door to `inference`, opened lazily: web processes never load ONNX Runtime, SHAP or scikit-learn."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inference.refusal import BundleRefused
from inference.training.refused import TrainingRefused  # noqa: F401 others catch it by this name

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from inference.bundle import Manifest
    from inference.explain import Explanation
    from inference.foreign import Declaration
    from inference.model import Model
    from inference.predict import Predictions
    from inference.resemblance import Resemblance
    from inference.training.demo import DemoRows, TrainedDemo
    from inference.training.parts import Later
    from inference.training.run import Trained
    from inference.upload_gate import GateResult


def load(
    files: "Mapping[str, bytes] | Path", *, expected_digest: str | None = None, provider: str | None = None
) -> "Model":
    """A checked bundle, ready to predict, on one execution provider or the best there is.

    Raises BundleRefused, and RemoteUnavailable for a bundle whose server is away.
    """
    from django.conf import settings

    from inference import model

    serving = model.Serving(
        providers=[provider] if provider else None,
        remote_origins=settings.REMOTE_MODELS,
        remote_token=settings.REMOTE_MODEL_TOKEN,
    )
    return model.load(files, expected_digest=expected_digest, serving=serving)


def accelerator() -> str:
    """The execution provider of a GPU that works here, or nothing."""
    from inference.session import CPU, available_provider

    found = available_provider()
    return "" if found == CPU else found


def fault_of(model: "Model", error: Exception, *, rows: Sequence[bytes]) -> str:
    """Whose fault a failed run was: `rows`, `time` or `model`."""
    from inference import faults

    return faults.fault_of(model, error, rows=rows).value


def predict(model: "Model", rows: Sequence[Mapping[str, Any]], *, with_embedding: bool = True) -> "Predictions":
    from inference import predict as module

    return module.predict(model, rows, with_embedding=with_embedding)


def predict_json(
    model: "Model",
    raw: Sequence[bytes],
    *,
    with_embedding: bool = True,
    known: Mapping[int, Sequence[float]] | None = None,
    timeout_s: float | None = None,
) -> "Predictions":
    """The same for rows that are still JSON objects; rows in `known` have these probabilities without a run."""
    from inference import predict as module
    from inference.session import DEFAULT_TIMEOUT_S

    limit = DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s
    return module.predict_json(model, raw, with_embedding=with_embedding, known=known, timeout_s=limit)


def explain(model: "Model", rows: Sequence[Mapping[str, Any]], *, classes: Sequence[str]) -> "list[Explanation]":
    from inference import explain as module

    return module.explain(model, rows, classes=classes)


def check_bundle(files: Mapping[str, bytes]) -> "Manifest":
    """Read and check a bundle's files without running the model. Raises BundleRefused."""
    from inference import bundle

    return bundle.check(files)


def refused_by_gate(code: str, reason: str) -> "GateResult":
    """The upload gate's answer where the gate itself could not give one."""
    from inference import upload_gate

    return upload_gate.refused(code, reason)


def digest(files: Mapping[str, bytes]) -> str:
    from inference import bundle

    return bundle.digest(files)


def read_upload(path: "Path") -> dict[str, bytes]:
    """The files of a bundle, an MLflow model folder or a bare model, out of a zip or a directory.

    Raises BundleRefused.
    """
    from inference import bundle, foreign, mlflow_folder

    if not path.is_dir():
        return foreign.read_upload(path.read_bytes())
    return mlflow_folder.read_directory(path) if mlflow_folder.is_folder(path) else bundle.read_directory(path)


def read_uploaded_zip(content: bytes) -> dict[str, bytes]:
    """The same out of a zip in memory."""
    from inference import foreign

    return foreign.read_upload(content)


def bare_model(model: bytes, manifest: bytes, *, sample: bytes = b"", sample_name: str = "") -> dict[str, bytes]:
    """The files of a model that somebody else exported, with the small manifest that describes it."""
    from inference import foreign

    return foreign.export_of(model, manifest, sample=sample, sample_name=sample_name)


def declare(files: Mapping[str, bytes], **changes: Any) -> dict[str, bytes]:
    """A bare model's files with some fields of its small manifest set."""
    from inference import foreign

    return foreign.declare(files, **changes)


def described(files: Mapping[str, bytes]) -> "Manifest | Declaration":
    """What an upload says of itself, read without opening its model. Raises BundleRefused."""
    from inference import bundle, foreign

    return foreign.declaration_of(files) if foreign.is_foreign(files) else bundle.read_manifest(files)


def is_bundle(files: Mapping[str, bytes]) -> bool:
    """Whether an upload is a bundle already; anything else is made into one by the gate."""
    from inference import foreign

    return not foreign.is_foreign(files)


def in_another_order(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """A bundle whose classes the gate is still to bring into a stream's order; it has a digest of its own."""
    from inference import class_order

    return class_order.marked(files)


def examine(
    files: Mapping[str, bytes], *, classes: Sequence[str], heartbeat: "Callable[[], None] | None" = None
) -> "tuple[GateResult, dict[str, bytes]]":
    """The upload gate's answer, and the files of the bundle: those given, or what the gate made of them."""
    from inference import archive, bundle, upload_gate

    result = upload_gate.examine(archive.pack(files), classes=classes, heartbeat=heartbeat)
    made = bundle.read_zip(result["bundle"]) if result["bundle"] else dict(files)
    if result["state"] == "ready" and bundle.read_manifest(made).remote is not None:
        result = _examine_remote(made, result)
    return result, made


def _examine_remote(files: Mapping[str, bytes], result: "GateResult") -> "GateResult":
    """The golden rows of a bundle that another server runs: the gate's child, without a network, cannot ask it."""
    from inference import upload_gate
    from inference.remote import RemoteUnavailable

    try:
        load(files)
    except BundleRefused as refusal:
        return upload_gate.refused(refusal.code, str(refusal))
    except RemoteUnavailable as error:
        return upload_gate.refused("remote_unavailable", str(error))
    return result


def manifest(content: Mapping[str, Any]) -> "Manifest":
    from inference.bundle import Manifest

    return Manifest.from_json(content)


def vectors(model: "Model", rows: Sequence[Mapping[str, Any]]) -> "NDArray[np.float32]":
    """The places of rows in the model's space of similar cases, rows × 128."""
    return model.vectors(model.decoder.feeds(rows))


def distances_in_words(manifest_json: Mapping[str, Any], distances: Sequence[float]) -> list[str]:
    """How near similar cases are, for people, measured against the bundle's training rows."""
    from inference import neighbours

    read = manifest(manifest_json)
    return [neighbours.describe(distance, read) for distance in distances]


def resemblances(
    manifest_json: Mapping[str, Any], features: Mapping[str, Any], others: Sequence[Mapping[str, Any]]
) -> "list[Resemblance]":
    """In which columns a case agrees with each of the others, and in which they differ most."""
    from inference import resemblance

    return resemblance.compare(manifest(manifest_json), features, others)


def demo_bundle(slug: str) -> "TrainedDemo":
    """A demo stream's model, trained here and now, and the rows it has never seen."""
    from inference.training import demo

    return demo.demo_bundle(slug)  # type: ignore[arg-type]  # another slug is refused there


def demo_exam(slug: str) -> "DemoRows":
    """The part of those rows that is kept for a first exam of the model, without training; it is never sent."""
    from inference.training import demo

    return demo.demo_exam(slug)  # type: ignore[arg-type]  # as above


def demo_rows(slug: str) -> "DemoRows":
    """The part of those rows that is there to be sent, without training."""
    from inference.training import demo

    return demo.demo_rows(slug)  # type: ignore[arg-type]  # as above


def train(path: "Path", *, say: "Callable[[str], None]", **task: Any) -> "Trained":
    """A bundle trained on a file of rows with known answers; `task` as in `inference.training.run.Task`.

    Raises TrainingRefused.
    """
    from inference.training import run

    return run.train(path, run.Task(**task), say=say)


def divide(path: "Path", early: "Path", *, target: str, time: str, share: float) -> "tuple[Path, Later]":
    """The first `share` of a file's rows as a file to train on below `early`, and the later rows.

    Raises TrainingRefused.
    """
    from inference.training import parts

    return parts.divide(path, early, target_column=target, time=time, share=share)


def training_steps() -> int:
    """How often `train` says what it does."""
    from inference.training import run

    return run.STEPS


def training_report(trained: "Trained") -> str:
    """What training found, for a terminal."""
    from inference.training import report

    return report.text(trained.manifest, notes=trained.notes, warnings=trained.warnings)


def model_card(manifest_json: Mapping[str, Any], *, title: str, digest: str) -> str:
    """A model's card: one HTML page that needs nothing else."""
    from inference.training import card

    return card.render(manifest(manifest_json), title=title, digest=digest)


def write_bundle(files: Mapping[str, bytes], path: "Path") -> None:
    """The bundle as one zip."""
    from inference import bundle

    path.write_bytes(bundle.write_zip(files))


def add_serving_options(parser: "ArgumentParser") -> None:
    """The options of the scoring server."""
    from inference.serve import command

    command.add_options(parser)


def serve(path: "Path", given: "Namespace", *, expected_digest: str | None = None) -> None:
    """Serve a bundle until SIGTERM or SIGINT. Raises BundleRefused, OSError, and ValueError with a sentence."""
    from inference.serve import command

    command.serve(path, command.options(given), expected_digest=expected_digest)
