"""One loaded bundle, ready to score."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference import archive, bundle, tables
from inference.decode import Decoder, Feeds
from inference.manifest import Manifest
from inference.neighbours import Matrix, Space
from inference.novelty import Novelty
from inference.refusal import BundleRefused
from inference.remote import RemoteSession, RemoteUnavailable
from inference.session import CPU, DEFAULT_TIMEOUT_S, Session

if TYPE_CHECKING:
    from inference.explain import Explainer

logger = logging.getLogger(__name__)

TOLERANCE_CPU, TOLERANCE_GPU = 1e-5, 1e-4
MAX_BATCH = 256
# A float32 row of probabilities sums to one only roughly.
_SUM_TOLERANCE = 1e-3


class OutputInvalid(RuntimeError):
    """The graph answered with something that is not a row of probabilities per input row."""


@dataclass(frozen=True)
class Serving:
    """How this process runs models: on which providers, and which other servers it may ask."""

    threads: int = 1
    providers: Sequence[str] | None = None
    remote_origins: Sequence[str] = ()
    remote_token: str = ""


class Model:
    """A bundle with its session; what only explanations or similar cases need is built on first use."""

    def __init__(
        self,
        files: Mapping[str, bytes],
        manifest: Manifest,
        *,
        digest: str,
        serving: Serving,
    ) -> None:
        self.manifest = manifest
        self.digest = digest
        self.graph: bytes = files["model.onnx"]
        self.session = _session(self.graph, manifest, serving)
        self.threads = serving.threads
        self.provider = self.session.provider
        self.decoder = Decoder(manifest)
        self.background = tables.read_background(manifest, files["background.parquet"])
        self.background_digest = hashlib.sha256(files["background.parquet"]).hexdigest()
        self.golden = _Golden(self, files["golden.parquet"])
        self.seconds_per_row = 0.0  # measured when the golden rows are run

    @property
    def is_remote(self) -> bool:
        return self.manifest.remote is not None

    @property
    def gives_vectors(self) -> bool:
        """Whether a run of the graph gives the vectors too, so that knowing the probabilities spares no run."""
        return self.space.takes_given

    def is_sound(self) -> bool:
        """Whether the model still answers rows it came with as it should."""
        try:
            return self.golden.worst_alone(self, rows=1) <= self.golden.tolerance
        except Exception:  # the runtime raises types of its own, none of them public
            logger.warning("model.unsound bundle=%s provider=%s", self.digest[:12], self.provider, exc_info=True)
            return False

    @cached_property
    def space(self) -> Space:
        return Space(self.manifest)

    @cached_property
    def novelty(self) -> Novelty:
        reference = self.vectors(self.decoder.feeds_from_table(self.background))
        return Novelty(self.manifest, reference, width=self.space.active_width)

    @cached_property
    def explainer(self) -> "Explainer":
        from inference.explain import build

        return build(self)

    def answers(self, feeds: Feeds, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> tuple[NDArray[np.float64], Matrix]:
        """Probabilities and vectors in one run of the graph, which may give the vectors itself."""
        if not self.space.takes_given:
            return self.probabilities(feeds, timeout_s=timeout_s), self.space.embed(feeds)
        wanted = [self.manifest.probabilities_output, self.manifest.outputs["embedding"]]
        found, given = self.session.run(feeds, outputs=wanted, timeout_s=timeout_s)
        return self.checked(found, feeds), self.space.embed(feeds, given)

    def vectors(self, feeds: Feeds, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Matrix:
        """The rows' places in the space of similar cases; the graph runs only where it gives them itself."""
        if not self.space.takes_given:
            return self.space.embed(feeds)
        (given,) = self.session.run(feeds, outputs=[self.manifest.outputs["embedding"]], timeout_s=timeout_s)
        return self.space.embed(feeds, given)

    def probabilities(self, feeds: Feeds, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> NDArray[np.float64]:
        """Calibrated class probabilities, rows × classes, each row summing to one."""
        (found,) = self.session.run(feeds, outputs=[self.manifest.probabilities_output], timeout_s=timeout_s)
        return self.checked(found, feeds)

    def checked(self, found: NDArray[Any], feeds: Feeds) -> NDArray[np.float64]:
        """What the graph answered, as rows that sum to one; raises OutputInvalid where they are no probabilities."""
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
    serving: Serving = Serving(),
    providers: Sequence[str] | None = None,
) -> Model:
    """Check a bundle, load it and see it reproduce its golden rows; raises BundleRefused otherwise.

    A bundle that another server runs raises RemoteUnavailable while that server is away.
    """
    if isinstance(files, Path):
        files = archive.read_directory(files)
    found = archive.digest(files)
    if expected_digest is not None and found != expected_digest:
        raise BundleRefused(
            "digest_mismatch",
            f"The files have the digest {found[:12]}…, not {expected_digest[:12]}…; fetch them again.",
        )
    manifest = bundle.check(files)
    if providers is not None:
        serving = replace(serving, providers=providers)
    model = Model(files, manifest, digest=found, serving=serving)
    model.golden.check(model)
    return model


def _session(graph: bytes, manifest: Manifest, serving: Serving) -> Session | RemoteSession:
    if manifest.remote is None:
        return Session(graph, threads=serving.threads, providers=serving.providers)
    return RemoteSession(manifest.remote, allowed=serving.remote_origins, token=serving.remote_token)


class _Golden:
    """Rows with the answers that a bundle was exported with."""

    def __init__(self, model: Model, content: bytes) -> None:
        table, stored = tables.read_golden(model.manifest, content)
        self._expected = np.array(stored, dtype=np.float64)
        self._feeds = model.decoder.feeds_from_table(table)
        self.tolerance = TOLERANCE_CPU if model.provider == CPU else TOLERANCE_GPU

    def check(self, model: Model) -> None:
        """Raises BundleRefused unless the rows are answered as stored, in a full batch and alone."""
        try:
            model.session.warm_up(self._feeds, outputs=[model.manifest.probabilities_output])
            worst = max(self._worst_together(model), self.worst_alone(model, rows=tables.MIN_GOLDEN_ROWS))
        except RemoteUnavailable:
            raise
        except Exception as error:  # the runtime raises types of its own, none of them public
            raise BundleRefused(
                "model_fails", f"model.onnx fails on the rows of golden.parquet ({str(error)[:200]})."
            ) from error
        if not worst <= self.tolerance:
            raise BundleRefused(
                "golden_mismatch",
                f"golden.parquet: the model answers up to {worst:.2g} away from the stored probabilities "
                f"(allowed: {self.tolerance:g} on {model.provider}); export model and golden rows together.",
            )

    def _worst_together(self, model: Model) -> float:
        repeated = {name: np.resize(values, (MAX_BATCH, values.shape[1])) for name, values in self._feeds.items()}
        together = model.probabilities(repeated)
        started = perf_counter()
        model.probabilities(repeated)  # once more: the first run warms up
        model.seconds_per_row = (perf_counter() - started) / MAX_BATCH
        return float(np.abs(together - np.resize(self._expected, together.shape)).max())

    def worst_alone(self, model: Model, *, rows: int) -> float:
        """The largest difference from the stored probabilities when the first rows are scored one by one."""
        rows = min(rows, len(self._expected))
        alone = np.concatenate(
            [
                model.probabilities({name: values[row : row + 1] for name, values in self._feeds.items()})
                for row in range(rows)
            ]
        )
        return float(np.abs(alone - self._expected[:rows]).max())
