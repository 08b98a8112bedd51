"""G13: one row to a request over sixteen connections, until it is decided, beside MLServer that only scores it.

The product stores, scores, gates and decides each case; MLServer answers with probabilities. Closed loop, saturated.
"""

import statistics
from typing import Any

import msgspec
import numpy as np

from bench import cases, fill, latency, load
from bench.anchors import mlserver
from bench.anchors.raw_model import RawModel
from bench.samples import Goal, Result, Sample, check
from bench.workbench import Workbench

CONNECTIONS = 16
BATCH, BATCH_SECONDS = 16, 0.001
MAX_P95 = 0.8
GOAL = Goal(
    "G13",
    f"one row to a request, {CONNECTIONS} connections: POST to decision",
    f"MLServer {mlserver.VERSION}, {BATCH} rows or 1 ms, probabilities only",
    "rows/s",
    target=2.0,
    stretch=3.5,
)


def measure(bench: Workbench) -> list[Result]:
    try:
        mlserver.environment()
    except mlserver.NotInstalled as refusal:
        return [Result(GOAL, misses=[str(refusal)])]
    number = bench.size(3000, 200)
    p95: dict[str, list[float]] = {"product": [], "anchor": []}
    with (
        mlserver.serving(bench.model.graph, batch=BATCH, batch_seconds=BATCH_SECONDS) as anchor_url,
        bench.installation.product("web", "inference") as url,
    ):

        def product() -> Sample:
            return _kept(p95["product"], _decided(bench, url, number))

        def anchor() -> Sample:
            return _kept(p95["anchor"], _scored(bench, anchor_url, number))

        result = bench.compare(GOAL, product=product, anchor=anchor)
    fill.clear(bench.database)
    # The first of each is cold.
    ratio = statistics.median(mine / its for mine, its in zip(p95["product"][1:], p95["anchor"][1:], strict=True))
    if ratio > MAX_P95:
        result.misses.append(f"p95 {ratio:.2g} of MLServer's, at most {MAX_P95:g} wanted")
    return [result]


def _decided(bench: Workbench, url: str, number: int) -> Sample:
    fill.clear(bench.database)
    bodies = bench.bodies(number)
    requests = [load.post(bench.path, cases.encoded(body), key=bench.key) for body in bodies]
    sent = load.closed_loop(url, requests, connections=CONNECTIONS)
    check(set(sent.statuses) == {202}, f"answered {set(sent.statuses)}: {bench.installation.said('web')}")
    moments = latency.moments(bench, [body["external_id"] for body in bodies], question=latency.PRODUCT)
    times = [moments[body["external_id"]] - sent.started_at[place] for place, body in enumerate(bodies)]
    return _sample(times, seconds=max(moments.values()) - min(sent.started_at.values()))


def _scored(bench: Workbench, url: str, number: int) -> Sample:
    raw = RawModel.of(bench.model)
    rows = [body["features"] for body in bench.bodies(number)]
    matrix = raw.matrix(rows)
    requests = [load.post(f"/v2/models/{mlserver.MODEL}/infer", _asked(bench, row)) for row in matrix]
    sent = load.closed_loop(url, requests, connections=CONNECTIONS, keep_bodies=True)
    check(set(sent.statuses) == {200}, f"MLServer answered {set(sent.statuses)}")
    expected = raw.run(matrix)
    worst = max(
        float(np.abs(np.array(msgspec.json.decode(body)["outputs"][0]["data"]) - expected[place]).max())
        for place, body in sent.bodies.items()
    )
    check(worst <= 1e-6, f"a probability of MLServer's is {worst:.2g} away from the model's")
    return _sample(sent.latencies, seconds=sent.seconds)


def _asked(bench: Workbench, row: Any) -> bytes:
    (item,) = bench.model.manifest.inputs
    one = {"name": item.name, "shape": [1, len(row)], "datatype": "FP32", "data": row.tolist()}
    wanted = [{"name": bench.model.manifest.probabilities_output}]
    return msgspec.json.encode({"inputs": [one], "outputs": wanted})


def _sample(times: list[float], *, seconds: float) -> Sample:
    facts = {"p50_ms": load.percentile(times, 0.5) * 1e3, "p95_ms": load.percentile(times, 0.95) * 1e3}
    return Sample(len(times) / seconds, facts)


def _kept(into: list[float], sample: Sample) -> Sample:
    into.append(sample.facts["p95_ms"])
    return sample
