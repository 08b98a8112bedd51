"""G13: one row to a request over sixteen connections, the product's scoring server beside MLServer.

Both only score, both speak the Open Inference Protocol, both get the very same requests. Told beside it, without a
target: the same rows as cases, from their POST until they are stored, scored, gated and decided.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
import numpy as np

from bench import cases, fill, latency, load, scorers, wire
from bench.anchors import mlserver
from bench.anchors.raw_model import RawModel
from bench.samples import Goal, Result, Sample, check
from bench.workbench import Workbench

CONNECTIONS = 16
BATCH, BATCH_SECONDS = 16, 0.001
MAX_P95 = 0.8
ANCHOR = f"MLServer {mlserver.VERSION}, {BATCH} rows or 1 ms"
GOAL = Goal(
    "G13", f"one row to a request, {CONNECTIONS} connections: scored", ANCHOR, "rows/s", target=2.0, stretch=3.5
)
P95 = Goal("G13", "the same: p95", ANCHOR, "ms", target=MAX_P95, stretch=0.5, is_less_better=True)
COST = Goal("G13", "the same: processor time a request", ANCHOR, "µs", is_less_better=True)
TOLD = Goal("G13", "the same rows as cases: POST to decision", ANCHOR, "rows/s")


def measure(bench: Workbench) -> list[Result]:
    try:
        mlserver.environment()
    except mlserver.NotInstalled as refusal:
        return [Result(goal, misses=[str(refusal)]) for goal in (GOAL, P95, COST, TOLD)]
    with mlserver.serving(bench.model.graph, batch=BATCH, batch_seconds=BATCH_SECONDS) as url:
        return [*_scoring(bench, f"{url}/v2/models/{mlserver.MODEL}"), _deciding(bench, url)]


def _scoring(bench: Workbench, anchor_url: str) -> list[Result]:
    number = bench.size(6000, 300)
    taken: dict[str, list[Sample]] = {"product": [], "anchor": []}

    def sample(side: str, url: str) -> Sample:
        taken[side].append(_scored(bench, url, number))
        return taken[side][-1]

    with scorers.serving(bench.demo.files) as url:
        result = bench.compare(
            GOAL, product=lambda: sample("product", url), anchor=lambda: sample("anchor", anchor_url)
        )
    return [result, _of(P95, taken, "p95_ms"), _of(COST, taken, "cpu_us")]


def _of(goal: Goal, taken: dict[str, list[Sample]], fact: str) -> Result:
    """Another figure of the same samples; the first of each side was cold."""
    product, anchor = ([one.facts[fact] for one in taken[side][1:]] for side in ("product", "anchor"))
    return Result(goal, product=product, anchor=anchor)


def _deciding(bench: Workbench, anchor_url: str) -> Result:
    number = bench.size(1500, 100)
    with bench.installation.product("web", "inference") as url:
        result = bench.compare(
            TOLD,
            product=lambda: _decided(bench, url, number),
            anchor=lambda: _scored(bench, f"{anchor_url}/v2/models/{mlserver.MODEL}", number),
        )
    fill.clear(bench.database)
    return result


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
    """One round against either server; an error or a wrong answer ends the measurement."""
    raw = RawModel.of(bench.model)
    matrix = raw.matrix([body["features"] for body in bench.bodies(number)])
    parts = urlsplit(url)
    requests = [load.post(f"{parts.path}/infer", _asked(bench, row)) for row in matrix]
    before = scorers.processor_seconds(parts.port or 80)
    sent = wire.closed_loop(url, requests, connections=CONNECTIONS)
    used = scorers.processor_seconds(parts.port or 80) - before
    check(set(sent.statuses) == {200}, f"{url} answered {set(sent.statuses)}")
    expected = raw.run(matrix)
    worst = max(
        float(np.abs(np.array(msgspec.json.decode(body)["outputs"][0]["data"]) - expected[place]).max())
        for place, body in sent.bodies.items()
    )
    check(worst <= 1e-6, f"a probability of {url} is {worst:.2g} away from the model's")
    return _sample(sent.latencies, seconds=sent.seconds, cpu_us=used / number * 1e6)


def _asked(bench: Workbench, row: Any) -> bytes:
    (item,) = bench.model.manifest.inputs
    one = {"name": item.name, "shape": [1, len(row)], "datatype": "FP32", "data": row.tolist()}
    wanted = [{"name": bench.model.manifest.probabilities_output}]
    return msgspec.json.encode({"inputs": [one], "outputs": wanted})


def _sample(times: Sequence[float], *, seconds: float, **facts: float) -> Sample:
    latencies = {f"p{share}_ms": load.percentile(times, share / 100) * 1e3 for share in (50, 95, 99)}
    return Sample(len(times) / seconds, {**latencies, **facts})
