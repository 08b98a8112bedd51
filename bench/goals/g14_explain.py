"""G14: an explanation as it is delivered, claimed, computed and stored, beside SHAP's bare call."""

import time
from typing import Any

import numpy as np

from bench import cases, fill
from bench.anchors.bare_shap import BareShap
from bench.samples import Goal, Result, Sample, check
from bench.workbench import Workbench

BATCH = 32
GOAL = Goal(
    "G14",
    f"explanation as delivered, batch {BATCH}",
    "bare shap call, same model, 1 thread",
    "ms/case",
    target=1.5,
    stretch=1.2,
    is_less_better=True,
)


def measure(bench: Workbench) -> list[Result]:
    from reviewapp.cases.actions import explaining, scoring

    number = BATCH * bench.size(12, 2)
    shap = BareShap(bench.model)
    rows = cases.features(bench.demo.stream_rows, number, seed=14)
    matrices = [shap.matrix(rows[start : start + BATCH]) for start in range(0, number, BATCH)]
    bodies = [{"external_id": f"explain-{place}", "features": row} for place, row in enumerate(rows)]
    fill.clear(bench.database)
    bench.receive(bodies)
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
        return Sample(float(np.median(taken)) * 1e3, _check_stored(bench, rows, shap))

    def anchor() -> Sample:
        taken = []
        for matrix in matrices:
            started = time.perf_counter()
            shap.values(matrix)
            taken.append((time.perf_counter() - started) / len(matrix))
        return Sample(float(np.median(taken)) * 1e3)

    explaining.BATCH, kept = BATCH, explaining.BATCH
    try:
        result = bench.compare(GOAL, product=product, anchor=anchor)
    finally:
        explaining.BATCH = kept
    fill.clear(bench.database)
    return [result]


def _ask_anew(bench: Workbench) -> None:
    bench.database.execute("TRUNCATE cases_explanation")
    bench.database.execute("DELETE FROM cases_work")
    bench.database.execute(
        "INSERT INTO cases_work (kind, subject, generation, priority, attempts, is_dead, last_error, traceparent) "
        "SELECT 'explain', p.id, 1, 0, 0, false, '', '' FROM cases_prediction p JOIN cases_case c ON c.id = p.case_id "
        "ORDER BY length(c.external_id), c.external_id"
    )


def _check_stored(bench: Workbench, rows: list[dict[str, float]], shap: BareShap) -> dict[str, Any]:
    """One explanation per case, whose parts add up to the margin and are what SHAP itself says."""
    stored = bench.database.execute(
        "SELECT substr(c.external_id, 9)::int, e.base_value, e.output_value, e.attributions, e.class "
        "FROM cases_explanation e JOIN cases_prediction p ON p.id = e.prediction_id "
        "JOIN cases_case c ON c.id = p.case_id WHERE e.state = 'ready' ORDER BY 1"
    ).fetchall()
    check([row[0] for row in stored] == list(range(len(rows))), f"{len(stored)} explanations of {len(rows)} cases")
    expected = shap.values(shap.matrix(rows))
    names = list(bench.model.manifest.inputs[0].columns)
    positive = bench.model.manifest.classes[1]
    residual = difference = 0.0
    for place, base, output, attributions, answer in stored:
        parts = {entry["column"]: entry["attribution"] for entry in attributions}
        sign = 1.0 if answer == positive else -1.0
        residual = max(residual, abs(base + sum(parts.values()) - output) / max(1.0, abs(output)))
        ours = np.array([parts[name] for name in names])
        difference = max(difference, float(np.abs(sign * ours - expected[place]).max()))
    check(residual <= 1e-5, f"attributions miss the margin by {residual:.2g}")
    check(difference <= 1e-6, f"an attribution is {difference:.2g} away from SHAP's own")
    return {"worst_residual": residual, "worst_attribution": difference}
