"""G12: JSON to probabilities, beside the model alone on arrays that are ready."""

import time

import numpy as np

from bench import cases
from bench.anchors.raw_model import RawModel
from bench.samples import Goal, Result, Sample, check
from bench.workbench import Workbench

BATCH = 256
GOAL = Goal(
    "G12",
    "decode + array + ORT per batch of 256",
    "ORT alone, rows rotated",
    "ms",
    target=2.5,
    stretch=2.0,
    is_less_better=True,
)
WHOLE = Goal(
    "G12",
    "the same with vector and novelty",
    "ORT alone, rows rotated",
    "ms",
    is_less_better=True,
)


def measure(bench: Workbench) -> list[Result]:
    from inference.predict import predict_json

    raw = RawModel.of(bench.model)
    number = bench.size(100, 10)
    rows = cases.features(bench.demo.stream_rows, BATCH * number, seed=12)
    batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    texts = [[cases.encoded(row) for row in batch] for batch in batches]
    matrices = [raw.matrix(batch) for batch in batches]
    expected = np.concatenate([raw.run(matrix) for matrix in matrices])

    def product(*, with_embedding: bool) -> Sample:
        taken, found = [], []
        for text in texts:
            started = time.perf_counter()
            found.append(predict_json(bench.model, text, with_embedding=with_embedding).probabilities)
            taken.append(time.perf_counter() - started)
        worst = float(np.abs(np.concatenate(found) - expected).max())
        check(worst <= 1e-6, f"a probability is {worst:.2g} away from the model's")
        return Sample(float(np.median(taken)) * 1e3, {"worst_probability": worst})

    def anchor() -> Sample:
        taken = []
        for matrix in matrices:
            started = time.perf_counter()
            raw.run(matrix)
            taken.append(time.perf_counter() - started)
        return Sample(float(np.median(taken)) * 1e3)

    return [
        bench.compare(GOAL, product=lambda: product(with_embedding=False), anchor=anchor),
        bench.compare(WHOLE, product=lambda: product(with_embedding=True), anchor=anchor),
    ]
