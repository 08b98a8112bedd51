"""The two demo models, trained on one part of a public data set; the other part is there to be sent."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from inference.manifest import Column
from inference.training.digits import train_pixels
from inference.training.tabular import Description, train_tabular

Stream = Literal["tumour-triage", "digit-reading"]
# Part of the bundle's identity: with the moment of training in it, no two runs would give the same bundle.
_CREATED = "2026-01-01T00:00:00Z"
_TUMOUR_TRAINING, _DIGIT_TRAINING = 256, 800
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
    """A bundle and the rows its model has never seen, with the truth about them."""

    files: dict[str, bytes]
    train_index: tuple[int, ...]
    stream_rows: list[dict[str, Any]]
    true_labels: list[str]
    ids: list[str]


def demo_bundle(stream: Stream) -> TrainedDemo:
    """Train the demo model of a stream; deterministic, seconds on two cores."""
    if stream == "tumour-triage":
        return _tumours()
    if stream == "digit-reading":
        return _digits()
    raise ValueError(f"There is no demo for the stream `{stream}`.")


def _tumours() -> TrainedDemo:
    from sklearn.datasets import load_breast_cancer

    source = load_breast_cancer()
    columns = [_tumour_column(name) for name in source.feature_names]
    names = [column.name for column in columns]
    labels = [str(source.target_names[value]) for value in source.target]
    training, streamed = _split(labels, size=_TUMOUR_TRAINING, seed=2)
    rows = [dict(zip(names, values, strict=True)) for values in source.data.tolist()]
    files = train_tabular(
        {name: [rows[index][name] for index in training] for name in names},
        [labels[index] for index in training],
        columns=columns,
        classes=("benign", "malignant"),
        about=Description(
            name="tumour-triage",
            created=_CREATED,
            owner="demo",
            licence="CC BY 4.0",
            lineage={"source": "Breast Cancer Wisconsin (Diagnostic), as shipped with scikit-learn"},
        ),
    )
    return _trained(files, rows, labels, training=training, streamed=streamed, prefix="tumour")


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


def _digits() -> TrainedDemo:
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
    files = train_pixels(
        [rows[index] for index in training],
        [labels[index] for index in training],
        columns=columns,
        classes=tuple(str(digit) for digit in range(10)),
        about=Description(
            name="digit-reading",
            created=_CREATED,
            owner="demo",
            licence="CC BY 4.0",
            lineage={"source": "Optical Recognition of Handwritten Digits, as shipped with scikit-learn"},
            image={"height": 8, "width": 8},
        ),
    )
    return _trained(files, rows, labels, training=training, streamed=streamed, prefix="digit")


def _split(labels: list[str], *, size: int, seed: int) -> tuple[list[int], list[int]]:
    from sklearn.model_selection import train_test_split

    training, streamed = train_test_split(
        np.arange(len(labels)), train_size=size, stratify=labels, random_state=seed
    )
    return training.tolist(), streamed.tolist()


def _trained(
    files: dict[str, bytes],
    rows: list[dict[str, Any]],
    labels: list[str],
    *,
    training: list[int],
    streamed: list[int],
    prefix: str,
) -> TrainedDemo:
    return TrainedDemo(
        files=files,
        train_index=tuple(training),
        stream_rows=[rows[index] for index in streamed],
        true_labels=[labels[index] for index in streamed],
        ids=[f"{prefix}-{index:04d}" for index in streamed],
    )
