"""One loaded bundle, ready to score."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inference import archive, bundle, tables
from inference.decode import Decoder, Feeds
from inference.manifest import Manifest
from inference.neighbours import Space
from inference.novelty import Novelty
from inference.refusal import BundleRefused
from inference.session import CPU, Session

if TYPE_CHECKING:
    from inference.explain import Explainer

TOLERANCE_CPU, TOLERANCE_GPU = 1e-5, 1e-4
MAX_BATCH = 256
# A float32 row of probabilities sums to one only roughly.
_SUM_TOLERANCE = 1e-3


class OutputInvalid(RuntimeError):
    """The graph answered with something that is not a row of probabilities per input row."""


class Model:
    """A bundle with its session; what only explanations or similar cases need is built on first use."""

    def __init__(
        self,
        files: Mapping[str, bytes],
        manifest: Manifest,
        *,
        digest: str,
        threads: int = 1,
        providers: Sequence[str] | None = None,
    ) -> None:
        self.manifest = manifest
        self.digest = digest
        self.graph: bytes = files["model.onnx"]
        self.session = Session(self.graph, threads=threads, providers=providers)
        self.threads = threads
        self.provider = self.session.provider
        self.decoder = Decoder(manifest)
        self.background = tables.read_background(manifest, files["background.parquet"])
        self.background_digest = hashlib.sha256(files["background.parquet"]).hexdigest()

    @cached_property
    def space(self) -> Space:
        return Space(self.manifest)

    @cached_property
    def novelty(self) -> Novelty:
        reference = self.space.embed(self.decoder.feeds_from_table(self.background))
        return Novelty(self.manifest, reference, width=self.space.active_width)

    @cached_property
    def explainer(self) -> "Explainer":
        from inference.explain import build

        return build(self)

    def probabilities(self, feeds: Feeds) -> NDArray[np.float64]:
        """Calibrated class probabilities, rows × classes, each row summing to one."""
        (found,) = self.session.run(feeds, outputs=[self.manifest.probabilities_output])
        rows = len(next(iter(feeds.values())))
        values = np.asarray(found, dtype=np.float64)
        if values.shape != (rows, len(self.manifest.classes)):
            raise OutputInvalid(f"The graph answered with the shape {values.shape} for {rows} rows.")
        total = values.sum(axis=1, keepdims=True)
        # Written so that NaN fails each comparison.
        if not (np.abs(total - 1.0) <= _SUM_TOLERANCE).all() or not (values >= 0.0).all():
            raise OutputInvalid("The graph answered with rows that are not probabilities.")
        return np.asarray(values / total)


def load(
    files: Mapping[str, bytes] | Path,
    *,
    expected_digest: str | None = None,
    threads: int = 1,
    providers: Sequence[str] | None = None,
) -> Model:
    """Check a bundle, load it and see it reproduce its golden rows; raises BundleRefused otherwise."""
    if isinstance(files, Path):
        files = archive.read_directory(files)
    found = archive.digest(files)
    if expected_digest is not None and found != expected_digest:
        raise BundleRefused(
            "digest_mismatch",
            f"The files have the digest {found[:12]}…, not {expected_digest[:12]}…; fetch them again.",
        )
    manifest = bundle.check(files)
    model = Model(files, manifest, digest=found, threads=threads, providers=providers)
    _check_golden(model, files["golden.parquet"])
    return model


def _check_golden(model: Model, content: bytes) -> None:
    table, stored = tables.read_golden(model.manifest, content)
    expected = np.array(stored, dtype=np.float64)
    tolerance = TOLERANCE_CPU if model.provider == CPU else TOLERANCE_GPU
    feeds = model.decoder.feeds_from_table(table)
    try:
        repeated = {name: np.resize(values, (MAX_BATCH, values.shape[1])) for name, values in feeds.items()}
        together = model.probabilities(repeated)
        alone = np.concatenate(
            [
                model.probabilities({name: values[row : row + 1] for name, values in feeds.items()})
                for row in range(min(len(expected), tables.MIN_GOLDEN_ROWS))
            ]
        )
    except Exception as error:  # the runtime raises types of its own, none of them public
        raise BundleRefused(
            "model_fails", f"model.onnx fails on the rows of golden.parquet ({str(error)[:200]})."
        ) from error
    worst = max(
        float(np.abs(together - np.resize(expected, together.shape)).max()),
        float(np.abs(alone - expected[: len(alone)]).max()),
    )
    if not worst <= tolerance:
        raise BundleRefused(
            "golden_mismatch",
            f"golden.parquet: the model answers up to {worst:.2g} away from the stored probabilities "
            f"(allowed: {tolerance:g} on {model.provider}); export model and golden rows together.",
        )
