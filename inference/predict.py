"""Scoring: rows in, calibrated probabilities, vectors for similar cases and novelty out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from inference.decode import Feeds, Row
from inference.model import Model
from inference.neighbours import WIDTH
from inference.session import DEFAULT_TIMEOUT_S

Known = Mapping[int, Sequence[float]]  # row → its probabilities, where a run of the model is not needed


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


def predict_json(
    model: Model,
    raw: Sequence[bytes],
    *,
    with_embedding: bool = True,
    known: Known | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> Predictions:
    """Score rows that are still JSON objects, one per item; raises RunTimedOut after `timeout_s` of the model's run."""
    started = perf_counter()
    feeds = model.decoder.feeds_from_json(raw)
    return _predict(
        model, feeds, with_embedding=with_embedding, started=started, known=known or {}, timeout_s=timeout_s
    )


def _predict(
    model: Model,
    feeds: Feeds,
    *,
    with_embedding: bool,
    started: float,
    known: Known | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> Predictions:
    rows = len(next(iter(feeds.values())))
    if with_embedding and rows and not known:
        probabilities, embedding = model.answers(feeds, timeout_s=timeout_s)
    else:
        probabilities = _probabilities(model, feeds, known, timeout_s=timeout_s)
        embedding = np.empty((rows, 0 if not with_embedding else WIDTH), dtype=np.float32)
        if with_embedding and rows:
            embedding = model.vectors(feeds, timeout_s=timeout_s)
    novelty = model.novelty.share_stranger(embedding) if with_embedding else np.full(rows, np.nan)
    return Predictions(
        probabilities=probabilities,
        classes=model.manifest.classes,
        embedding=embedding,
        novelty=novelty,
        provider=model.provider,
        seconds=perf_counter() - started,
    )


def _probabilities(model: Model, feeds: Feeds, known: Known | None, *, timeout_s: float) -> NDArray[np.float64]:
    rows = len(next(iter(feeds.values())))
    if not known:
        return model.probabilities(feeds, timeout_s=timeout_s) if rows else np.empty((0, len(model.manifest.classes)))
    found = np.empty((rows, len(model.manifest.classes)))
    for row, values in known.items():
        found[row] = values
    asked = [row for row in range(rows) if row not in known]
    if asked:
        part = {name: values[asked] for name, values in feeds.items()}
        found[asked] = model.probabilities(part, timeout_s=timeout_s)
    return found
