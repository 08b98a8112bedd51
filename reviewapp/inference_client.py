"""The only door to `inference`, opened lazily: web processes never load ONNX Runtime, SHAP or scikit-learn."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inference.refusal import BundleRefused  # noqa: F401 others catch it by this name

if TYPE_CHECKING:
    from pathlib import Path

    from inference.bundle import Manifest
    from inference.explain import Explanation
    from inference.model import Model
    from inference.predict import Predictions
    from inference.training.demo import DemoRows, TrainedDemo


def load(files: "Mapping[str, bytes] | Path", *, expected_digest: str | None = None) -> "Model":
    """A checked bundle, ready to predict. Raises BundleRefused."""
    from inference import model

    return model.load(files, expected_digest=expected_digest)


def predict(model: "Model", rows: Sequence[Mapping[str, Any]], *, with_embedding: bool = True) -> "Predictions":
    from inference import predict as module

    return module.predict(model, rows, with_embedding=with_embedding)


def predict_json(model: "Model", raw: Sequence[bytes], *, with_embedding: bool = True) -> "Predictions":
    """The same for rows that are still JSON objects."""
    from inference import predict as module

    return module.predict_json(model, raw, with_embedding=with_embedding)


def explain(model: "Model", rows: Sequence[Mapping[str, Any]], *, classes: Sequence[str]) -> "list[Explanation]":
    from inference import explain as module

    return module.explain(model, rows, classes=classes)


def check_bundle(files: Mapping[str, bytes]) -> "Manifest":
    """Read and check a bundle's files without running the model. Raises BundleRefused."""
    from inference import bundle

    return bundle.check(files)


def digest(files: Mapping[str, bytes]) -> str:
    from inference import bundle

    return bundle.digest(files)


def read_bundle(path: "Path") -> dict[str, bytes]:
    """The files of a bundle, from one zip or from a directory. Raises BundleRefused."""
    from inference import bundle

    if path.is_dir():
        return bundle.read_directory(path)
    return bundle.read_zip(path.read_bytes())


def manifest(content: Mapping[str, Any]) -> "Manifest":
    from inference.bundle import Manifest

    return Manifest.from_json(content)


def distances_in_words(manifest_json: Mapping[str, Any], distances: Sequence[float]) -> list[str]:
    """How near similar cases are, for people, measured against the bundle's training rows."""
    from inference import neighbours

    read = manifest(manifest_json)
    return [neighbours.describe(distance, read) for distance in distances]


def demo_bundle(slug: str) -> "TrainedDemo":
    """A demo stream's model, trained here and now, and the rows it has never seen."""
    from inference.training import demo

    return demo.demo_bundle(slug)  # type: ignore[arg-type]  # another slug is refused there


def demo_rows(slug: str) -> "DemoRows":
    """The same rows, without training."""
    from inference.training import demo

    return demo.demo_rows(slug)  # type: ignore[arg-type]  # as above
