"""G14: an explanation as it is delivered, claimed, computed and stored, beside SHAP's bare call."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench import cases, fill
from bench.anchors.bare_shap import BarePermutations, BareShap
from bench.samples import Goal, Result, Sample, check
from bench.workbench import Workbench

BATCH = 32
GOAL = Goal(
    "G14",
    f"explanation of trees as delivered, batch {BATCH}",
    "bare shap.TreeExplainer call, same trees and background, 1 thread",
    "ms/case",
    target=1.5,
    stretch=1.2,
    is_less_better=True,
)
SAMPLED = Goal(
    "G14",
    "explanation by sampling as delivered, small network on 64 columns",
    "bare shap.PermutationExplainer call, same session and background, 1 thread",
    "ms/case",
    target=1.5,
    stretch=1.2,
    is_less_better=True,
)
# Explanations a second and core that a model without trees or coefficients has to reach.
RATE = 3.0
# Cases a second that may queue up without an explanation being late.
QUEUED = 20.0
_DIFFERENCE = 0.02


def measure(bench: Workbench) -> list[Result]:
    return [_trees(bench), _sampled(bench.beside("digit-reading"))]


def _trees(bench: Workbench) -> Result:
    number = BATCH * bench.size(12, 2)
    shap = BareShap(bench.model)
    rows = cases.features(bench.demo.stream_rows, number, seed=14)
    matrices = [shap.matrix(rows[start : start + BATCH]) for start in range(0, number, BATCH)]

    def told() -> dict[str, Any]:
        return _check_equal(bench, _stored(bench, len(rows)), shap.values(shap.matrix(rows)))

    result = _compare(bench, GOAL, rows, told, lambda: _timed(shap, matrices))
    _hold(result, QUEUED)
    return result


def _sampled(bench: Workbench) -> Result:
    number = bench.size(64, 8)
    shap = BarePermutations(bench.model)
    rows = [bench.demo.stream_rows[place % len(bench.demo.stream_rows)] for place in range(number)]
    matrices = [shap.matrix(rows[:4]), shap.matrix(rows[4:8])]

    def told() -> dict[str, Any]:
        stored = _stored(bench, len(rows))
        return _check_near(bench, stored[:8], np.concatenate([shap.values(matrix) for matrix in matrices]))

    result = _compare(bench, SAMPLED, rows, told, lambda: _timed(shap, matrices))
    _hold(result, RATE)
    return result


def _hold(result: Result, rate: float) -> None:
    slowest = max(result.product)
    if slowest > 1e3 / rate:
        result.misses.append(f"{1e3 / slowest:.2g} explanations a second, fewer than {rate:g}")


def _compare(
    bench: Workbench,
    goal: Goal,
    rows: list[dict[str, Any]],
    told: Callable[[], dict[str, Any]],
    anchor: Callable[[], Sample],
) -> Result:
    from reviewapp.cases.actions import explaining, scoring

    fill.clear(bench.database)
    bench.receive([{"external_id": f"explain-{place}", "features": row} for place, row in enumerate(rows)])
    while scoring.score_batch():
        pass

    def product() -> Sample:
        _ask_anew(bench)
        taken = []
        while True:
            started = time.perf_counter()
            done = explaining.explain_batch()
            if not done:
                break
            taken.append((time.perf_counter() - started) / done)
        return Sample(float(np.median(taken)) * 1e3, told())

    explaining.BATCH, kept = BATCH, explaining.BATCH
    try:
        result = bench.compare(goal, product=product, anchor=anchor)
    finally:
        explaining.BATCH = kept
    fill.clear(bench.database)
    return result


def _timed(shap: BareShap | BarePermutations, matrices: list[Any]) -> Sample:
    taken = []
    for matrix in matrices:
        started = time.perf_counter()
        shap.values(matrix)
        taken.append((time.perf_counter() - started) / len(matrix))
    return Sample(float(np.median(taken)) * 1e3)


def _ask_anew(bench: Workbench) -> None:
    bench.database.execute("TRUNCATE cases_explanation")
    bench.database.execute("DELETE FROM cases_work")
    bench.database.execute(
        "INSERT INTO cases_work (kind, subject, generation, priority, attempts, is_dead, last_error, traceparent) "
        "SELECT 'explain', p.id, 1, 0, 0, false, '', '' FROM cases_prediction p JOIN cases_case c ON c.id = p.case_id "
        "ORDER BY length(c.external_id), c.external_id"
    )


def _stored(bench: Workbench, number: int) -> list[tuple[Any, ...]]:
    """One explanation per case, in their order, whose parts add up to the model's output."""
    stored = bench.database.execute(
        "SELECT substr(c.external_id, 9)::int, e.base_value, e.output_value, e.attributions, e.class, e.sampling_error "
        "FROM cases_explanation e JOIN cases_prediction p ON p.id = e.prediction_id "
        "JOIN cases_case c ON c.id = p.case_id WHERE e.state = 'ready' ORDER BY 1"
    ).fetchall()
    check([row[0] for row in stored] == list(range(number)), f"{len(stored)} explanations of {number} cases")
    for _, base, output, attributions, *_ in stored:
        residual = abs(base + sum(entry["attribution"] for entry in attributions) - output)
        check(residual <= 1e-5 * max(1.0, abs(output)), f"attributions miss the output by {residual:.2g}")
    return stored


def _parts(bench: Workbench, attributions: list[dict[str, Any]]) -> Any:
    by_column = {entry["column"]: entry["attribution"] for entry in attributions}
    return np.array([by_column[name] for name in bench.model.manifest.inputs[0].columns])


def _check_equal(bench: Workbench, stored: list[tuple[Any, ...]], expected: Any) -> dict[str, Any]:
    """Every attribution is SHAP's own."""
    positive = bench.model.manifest.classes[1]
    difference = 0.0
    for place, _, _, attributions, answer, _ in stored:
        sign = 1.0 if answer == positive else -1.0
        difference = max(difference, float(np.abs(sign * _parts(bench, attributions) - expected[place]).max()))
    check(difference <= 1e-6, f"an attribution is {difference:.2g} away from SHAP's own")
    return {"worst_attribution": difference}


def _check_near(bench: Workbench, stored: list[tuple[Any, ...]], expected: Any) -> dict[str, Any]:
    """Two samplers agree as far as samples do."""
    classes = bench.model.manifest.classes
    differences = [
        _parts(bench, attributions) - expected[place][:, classes.index(answer)]
        for place, _, _, attributions, answer, _ in stored
    ]
    typical = float(np.sqrt(np.mean(np.square(differences))))
    check(typical <= _DIFFERENCE, f"the attributions are typically {typical:.2g} away from SHAP's own")
    return {"typical_difference": typical, "stated_error": max(row[5] for row in stored)}
