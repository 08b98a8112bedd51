"""The two demo models, trained on one part of a public data set; the rest is there to examine them and to be sent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from inference.manifest import Column
from inference.training.digits import train_pixels
from inference.training.tabular import Description, train_tabular

Stream = Literal["tumour-triage", "digit-reading"]
# Part of the bundle's identity: with the moment of training in it, no two runs would give the same bundle.
_CREATED = "2026-01-01T00:00:00Z"
_TUMOUR_TRAINING, _TUMOUR_EXAM, _DIGIT_TRAINING = 200, 220, 800
_STATISTICS = {"mean": "Mean", "error": "Standard error", "worst": "Mean of the three largest values"}
_MEASURES = {
    "radius": "mean of distances from centre to points on the perimeter",
    "texture": "standard deviation of grey-scale values",
    "perimeter": "perimeter of the nucleus",
    "area": "area of the nucleus",
    "smoothness": "local variation in radius lengths",
    "compactness": "perimeter² / area − 1",
    "concavity": "severity of concave portions of the contour",
    "concave_points": "number of concave portions of the contour",
    "symmetry": "symmetry of the nucleus",
    "fractal_dimension": "“coastline approximation” − 1",
}


@dataclass(frozen=True)
class TrainedDemo:
    """A bundle and all the rows its model has never seen, with the truth about them."""

    files: dict[str, bytes]
    train_index: tuple[int, ...]
    stream_rows: list[dict[str, Any]]
    true_labels: list[str]
    ids: list[str]


@dataclass(frozen=True)
class DemoRows:
    """Rows of a demo stream that its model is not trained on, with the truth about them."""

    rows: list[dict[str, Any]]
    labels: list[str]
    ids: list[str]


def demo_bundle(stream: Stream) -> TrainedDemo:
    """Train the demo model of a stream; deterministic, seconds on two cores."""
    source = _source(stream)
    files = source.train(
        [source.rows[index] for index in source.training], [source.labels[index] for index in source.training]
    )
    kept = source.part([*source.exam, *source.streamed])
    return TrainedDemo(
        files=files,
        train_index=tuple(source.training),
        stream_rows=kept.rows,
        true_labels=kept.labels,
        ids=kept.ids,
    )


def demo_rows(stream: Stream) -> DemoRows:
    """The rows that are there to be sent, without training."""
    source = _source(stream)
    return source.part(source.streamed)


def demo_exam(stream: Stream) -> DemoRows:
    """The rows that are neither trained on nor sent: a random part of the others; none where there is no exam."""
    source = _source(stream)
    return source.part(source.exam)


@dataclass(frozen=True)
class _Source:
    """A public data set, divided, and how its model is trained."""

    rows: list[dict[str, Any]]
    labels: list[str]
    training: list[int]
    exam: list[int]
    streamed: list[int]
    prefix: str
    train: Callable[[list[dict[str, Any]], list[str]], dict[str, bytes]]

    def part(self, places: list[int]) -> DemoRows:
        return DemoRows(
            rows=[self.rows[index] for index in places],
            labels=[self.labels[index] for index in places],
            ids=[f"{self.prefix}-{index:04d}" for index in places],
        )


def _source(stream: Stream) -> _Source:
    if stream == "tumour-triage":
        return _tumours()
    if stream == "digit-reading":
        return _digits()
    raise ValueError(f"There is no demo for the stream `{stream}`.")


def _tumours() -> _Source:
    from sklearn.datasets import load_breast_cancer

    source = load_breast_cancer()
    columns = [_tumour_column(name) for name in source.feature_names]
    names = [column.name for column in columns]
    labels = [str(source.target_names[value]) for value in source.target]
    training, unseen = _split(labels, size=_TUMOUR_TRAINING, seed=2)
    exam, streamed = _drawn(unseen, size=_TUMOUR_EXAM, seed=2)
    rows = [dict(zip(names, values, strict=True)) for values in source.data.tolist()]

    def train(rows: list[dict[str, Any]], labels: list[str]) -> dict[str, bytes]:
        about = Description(
            name="tumour-triage",
            created=_CREATED,
            owner="demo",
            licence="CC BY 4.0",
            lineage={
                "source": "Breast Cancer Wisconsin (Diagnostic), as shipped with scikit-learn",
                "kept_for_exam": len(exam),
            },
        )
        frame = {name: [row[name] for row in rows] for name in names}
        return train_tabular(frame, labels, columns=columns, classes=("benign", "malignant"), about=about)

    return _Source(rows, labels, training, exam, streamed, prefix="tumour", train=train)


def _tumour_column(feature: str) -> Column:
    """`mean concave points` → `concave_points_mean`, with the words of the data set's documentation."""
    statistic = next(word for word in _STATISTICS if word in feature.split())
    measure = "_".join(word for word in feature.split() if word != statistic)
    return Column(
        name=f"{measure}_{statistic}",
        dtype="float",
        minimum=0.0,
        description=f"{_STATISTICS[statistic]} over the cell nuclei in the image: {_MEASURES[measure]}.",
    )


def _digits() -> _Source:
    from sklearn.datasets import load_digits

    source = load_digits()
    columns = [
        Column(
            name=f"pixel_{row}_{place}",
            dtype="int",
            minimum=0.0,
            maximum=16.0,
            description=f"Inked points out of 16 in row {row}, column {place}.",
        )
        for row in range(8)
        for place in range(8)
    ]
    names = [column.name for column in columns]
    labels = [str(value) for value in source.target]
    training, streamed = _split(labels, size=_DIGIT_TRAINING, seed=0)
    rows = [dict(zip(names, values, strict=True)) for values in source.data.astype(int).tolist()]

    def train(rows: list[dict[str, Any]], labels: list[str]) -> dict[str, bytes]:
        about = Description(
            name="digit-reading",
            created=_CREATED,
            owner="demo",
            licence="CC BY 4.0",
            lineage={"source": "Optical Recognition of Handwritten Digits, as shipped with scikit-learn"},
            image={"height": 8, "width": 8},
        )
        classes = tuple(str(digit) for digit in range(10))
        return train_pixels(rows, labels, columns=columns, classes=classes, about=about)

    return _Source(rows, labels, training, [], streamed, prefix="digit", train=train)


def _split(labels: list[str], *, size: int, seed: int) -> tuple[list[int], list[int]]:
    from sklearn.model_selection import train_test_split

    training, streamed = train_test_split(np.arange(len(labels)), train_size=size, stratify=labels, random_state=seed)
    return training.tolist(), streamed.tolist()


def _drawn(places: list[int], *, size: int, seed: int) -> tuple[list[int], list[int]]:
    """A plain random sample of places, whatever their labels, and the others: only such a sample can prove anything."""
    from sklearn.model_selection import train_test_split

    exam, others = train_test_split(places, train_size=size, random_state=seed)
    return exam, others
