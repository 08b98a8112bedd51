"""G16: similar cases as they are searched, beside a bare exact scan of the same vectors; recall against numpy."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import vectors
from bench.samples import Goal, Result, Sample, check
from bench.workbench import Workbench

NEAREST = 10
# Every tenth case has this answer: what a reader who asks for one class filters by.
RARE = "rare"
RECALL = 0.95
EXACT = Goal("G16", "similar cases, exact as shipped", "bare exact scan", "ms p95", is_less_better=True)
# The title is completed with the data.
INDEXED = Goal(
    "G16",
    "similar cases, owner's index",
    "bare exact scan",
    "ms p95",
    target=1.0,
    stretch=0.15,
    is_less_better=True,
)
GOAL = INDEXED


@dataclass(frozen=True)
class Field:
    """One filling of the table: its vectors, which of them have the rare answer, and the cases to ask about."""

    stream: Any
    ids: Sequence[Any]
    matrix: NDArray[np.float32]
    is_rare: NDArray[np.bool_]
    asked: Sequence[int]


def measure(bench: Workbench) -> list[Result]:
    from reviewapp.cases.management.commands import index_similar

    results = []
    for name, make in (("clustered", vectors.clustered), ("plain", vectors.plain)):
        field = _fill(bench, make(bench.size(100_000, 10_000)))
        shares = (name, f"{name}, 10 % filter")
        for title, answer in zip(shares, (None, RARE), strict=True):
            results.append(_compare(bench, EXACT, field, title=title, answer=answer))
        index_similar.build(field.stream, vectors.SPACE)
        for title, answer in zip(shares, (None, RARE), strict=True):
            results.append(_compare(bench, INDEXED, field, title=title, answer=answer))
        index_similar.drop(field.stream, vectors.SPACE)
    vectors.clear(bench.database)
    return results


def _fill(bench: Workbench, matrix: NDArray[np.float32]) -> Field:
    draw = np.random.default_rng(16)
    is_rare = draw.random(len(matrix)) < 0.1
    answers = ["rare" if rare else "common" for rare in is_rare]
    ids = vectors.fill(bench.database, bench.stream.pk, matrix, answers=answers)
    asked = draw.choice(len(matrix), bench.size(50, 20), replace=False).tolist()
    return Field(bench.stream, ids, matrix, is_rare, asked)


def _compare(bench: Workbench, goal: Goal, field: Field, *, title: str, answer: str | None) -> Result:
    from dataclasses import replace

    goal = replace(goal, title=f"{goal.title}: {title}")
    recalls: list[float] = []

    def product() -> Sample:
        recall, taken = _search(field, answer=answer)
        recalls.append(recall)
        return Sample(taken, {"recall": recall})

    result = bench.compare(goal, product=product, anchor=lambda: Sample(_scan(bench, field)))
    recall = float(np.mean(recalls))
    check(goal.target is not None or recall == 1.0, f"the exact search found {recall:.3f} of the nearest")
    if recall < RECALL:
        result.misses.append(f"recall@{NEAREST} {recall:.3f} < {RECALL}")
    bench.recorder.write("recall", goal=goal.key, title=goal.title, recall=recall)
    return result


def _search(field: Field, *, answer: str | None) -> tuple[float, float]:
    """Recall of the product's own search, and its 95th percentile in milliseconds."""
    from reviewapp.cases.nearest import Filters, Place, nearest

    taken, found = [], []
    for row in field.asked:
        place = Place(field.ids[row], field.stream.pk, vectors.SPACE, vectors.written(field.matrix[row]))
        started = time.perf_counter()
        precedents = nearest(place, filters=Filters(answer=answer), wanted=NEAREST)
        taken.append((time.perf_counter() - started) * 1e3)
        found.append(_recall(field, row, {one.case_id for one in precedents}, is_filtered=answer is not None))
    return float(np.mean(found)), float(np.percentile(taken, 95))


def _recall(field: Field, row: int, found: set[Any], *, is_filtered: bool) -> float:
    distances = ((field.matrix - field.matrix[row]) ** 2).sum(axis=1)
    distances[row] = np.inf
    if is_filtered:
        distances[~field.is_rare] = np.inf
    true = np.argpartition(distances, NEAREST)[:NEAREST]
    return len(found & {field.ids[place] for place in true}) / NEAREST


def _scan(bench: Workbench, field: Field) -> float:
    taken = []
    bench.database.execute("SET enable_indexscan = off")
    for row in field.asked:
        question = (
            f"SELECT case_id FROM cases_embedding WHERE stream_id = '{field.stream.pk}' AND space = '{vectors.SPACE}' "
            f"ORDER BY vector <-> '{vectors.written(field.matrix[row])}' LIMIT {NEAREST}"
        )
        started = time.perf_counter()
        bench.database.execute(question.encode()).fetchall()
        taken.append((time.perf_counter() - started) * 1e3)
    bench.database.execute("RESET enable_indexscan")
    return float(np.percentile(taken, 95))
