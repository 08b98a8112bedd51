"""Scoring: rows in, calibrated probabilities, vectors for similar cases and novelty out."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from inference.decode import Feeds, Row
from inference.model import Model


@dataclass(frozen=True)
class Predictions:
    """One batch of answers; row i belongs to input row i."""

    probabilities: NDArray[np.float64]  # (n, classes), rows sum to 1
    classes: tuple[str, ...]  # names of the columns of `probabilities`
    embedding: NDArray[np.float32]  # (n, 128), or (n, 0) when not asked for
    novelty: NDArray[np.float64]  # (n,) share of training rows stranger than this one; NaN when not asked for
    provider: str
    seconds: float

    @property
    def predicted(self) -> list[str]:
        """The most probable class of each row."""
        return [self.classes[index] for index in self.probabilities.argmax(axis=1)]

    @property
    def confidence(self) -> NDArray[np.float64]:
        """The calibrated probability of the predicted class of each row."""
        return np.asarray(self.probabilities.max(axis=1))


def predict(model: Model, rows: Sequence[Row], *, with_embedding: bool = True) -> Predictions:
    """Score rows of features that the input contract has already accepted."""
    started = perf_counter()
    return _predict(model, model.decoder.feeds(rows), with_embedding=with_embedding, started=started)


def predict_json(model: Model, raw: Sequence[bytes], *, with_embedding: bool = True) -> Predictions:
    """Score rows that are still JSON objects, one per item."""
    started = perf_counter()
    return _predict(model, model.decoder.feeds_from_json(raw), with_embedding=with_embedding, started=started)


def _predict(model: Model, feeds: Feeds, *, with_embedding: bool, started: float) -> Predictions:
    rows = len(next(iter(feeds.values())))
    probabilities = model.probabilities(feeds) if rows else np.empty((0, len(model.manifest.classes)))
    if with_embedding:
        embedding = model.space.embed(feeds)
        novelty = model.novelty.share_stranger(embedding)
    else:
        embedding, novelty = np.empty((rows, 0), dtype=np.float32), np.full(rows, np.nan)
    return Predictions(
        probabilities=probabilities,
        classes=model.manifest.classes,
        embedding=embedding,
        novelty=novelty,
        provider=model.provider,
        seconds=perf_counter() - started,
    )
