"""G11: cases scored, gated, decided and announced per second by one worker, beside a drain that does none of that."""

import time
from typing import Any

import numpy as np

from bench import fill
from bench.anchors import bare_drain
from bench.anchors.raw_model import RawModel
from bench.samples import Goal, Result, Sample, check
from bench.workbench import Workbench

GOAL = Goal(
    "G11",
    "drain, one worker: prediction, gate, decision, event, outbox",
    "bare drain loop (claim, decode, ORT, write back)",
    "cases/s",
    target=0.20,
    stretch=0.30,
)


def measure(bench: Workbench) -> list[Result]:
    from reviewapp.cases.actions import scoring

    number = bench.size(50_000, 2_000)
    backlog = bench.backlog(number)
    bodies = bench.bodies(number)
    raw = RawModel.of(bench.model)

    def product() -> Sample:
        fill.clear(bench.database)
        fill.write(bench.database, backlog)
        fill.settle(bench.database)
        seconds = drained(scoring.score_batch)
        return Sample(number / seconds, check_decided(bench, number))

    def anchor() -> Sample:
        bare_drain.create(bench.database)
        bare_drain.fill(bench.database, bodies)
        with bench.installation.connect() as connection:
            seconds = drained(lambda: bare_drain.drain_batch(connection, raw))
        done = bench.one("SELECT count(*) FROM bench_case WHERE status = 2 AND probability IS NOT NULL")
        check(done == number, f"the bare drain scored {done} of {number}")
        return Sample(number / seconds)

    result = bench.compare(GOAL, product=product, anchor=anchor)
    fill.clear(bench.database)
    return [result]


def drained(one_batch: Any) -> float:
    """Seconds until nothing is left."""
    started = time.perf_counter()
    while one_batch():
        pass
    return time.perf_counter() - started


def check_decided(bench: Workbench, number: int) -> dict[str, Any]:
    """Every case was predicted and routed once, and to what the model itself says; the shares are told."""
    from reviewapp.cases.verification import verify

    findings, states = verify()
    for finding in findings:
        check(finding.count == 0, f"{finding.count} times not so: {finding.check.sentence}")
    check(states["decided"] + states["in_review"] == number, f"of {number} cases became {states}")
    rows = bench.database.execute(
        "SELECT i.features, p.probabilities FROM cases_prediction p JOIN cases_caseinput i "
        "ON i.case_id = p.case_id AND i.generation = p.generation"
    ).fetchall()
    check(len(rows) == number, f"{len(rows)} predictions of {number} cases")
    raw = RawModel.of(bench.model)
    expected = np.concatenate(
        [raw.run(raw.matrix([row[0] for row in rows[start : start + 4096]])) for start in range(0, number, 4096)]
    )
    worst = float(np.abs(np.array([row[1] for row in rows]) - expected).max())
    check(worst <= 1e-6, f"a probability is {worst:.2g} away from the model's")
    return {"worst_probability": worst, **states}
