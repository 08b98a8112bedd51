"""From a scheduled POST to the moment of its decision, for the product and for the floor beneath it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from bench import cases, load
from bench.anchors import bare_drain
from bench.samples import Sample, check
from bench.workbench import Workbench

# The moment of the gate's ruling; a decision's own time is the same.
PRODUCT = """
SELECT c.external_id, extract(epoch FROM p.created_at)::float8, c.state
FROM cases_case c JOIN cases_prediction p ON p.case_id = c.id WHERE c.external_id = ANY(%s)
"""
FLOOR = "SELECT external_id, extract(epoch FROM decided_at)::float8, status FROM bench_case WHERE external_id = ANY(%s)"
PATIENCE = 60.0


def offer(bench: Workbench, url: str, *, rate: float, number: int, is_floor: bool = False) -> tuple[Sample, load.Sent]:
    """Send on schedule, wait until all are decided; the value is the 95th percentile, in ms."""
    bodies = bench.bodies(number)
    path, key = ("/cases", "") if is_floor else (bench.path, bench.key)
    requests = [load.post(path, cases.encoded(body), key=key) for body in bodies]
    sent = load.open_loop(url, requests, rate=rate)
    check(set(sent.statuses) == {202}, f"answered {set(sent.statuses)}: {bench.installation.said('web')}")
    ids = [body["external_id"] for body in bodies]
    found = moments(bench, ids, question=FLOOR if is_floor else PRODUCT)
    times = [(found[one] - sent.started_at[place]) * 1e3 for place, one in enumerate(ids)]
    answers = sent.latencies
    facts = {
        "rate": rate,
        "p50_ms": load.percentile(times, 0.5),
        "p95_ms": load.percentile(times, 0.95),
        "p99_ms": load.percentile(times, 0.99),
        "answer_p95_ms": load.percentile(answers, 0.95) * 1e3,
        "sender_late_p95_ms": load.percentile(sent.lateness, 0.95) * 1e3,
    }
    return Sample(facts["p95_ms"], facts), sent


def moments(bench: Workbench, ids: list[str], *, question: str) -> dict[str, float]:
    """When each case was decided. Fails when one is missing or was decided twice."""
    end = time.monotonic() + PATIENCE
    while True:
        rows = bench.database.execute(question.encode(), [ids]).fetchall()
        done = [row for row in rows if row[1] is not None and row[2] != "scoring"]
        if len(done) >= len(ids) or time.monotonic() > end:
            break
        time.sleep(0.1)
    found = {row[0]: row[1] for row in done}
    check(len(done) == len(found) == len(ids), f"{len(done)} decisions of {len(found)} among {len(ids)} cases")
    return found


@contextmanager
def floor(bench: Workbench) -> Iterator[str]:
    """The floor's web server and worker; yields its address."""
    folder = bench.installation.data / "floor"
    folder.mkdir(exist_ok=True)
    (item,) = bench.model.manifest.inputs
    (folder / "model.onnx").write_bytes(bench.model.graph)
    about = {"columns": item.columns, "output": bench.model.manifest.probabilities_output}
    (folder / "about.json").write_bytes(msgspec.json.encode(about))
    bare_drain.create(bench.database)
    with (
        bench.installation.celery("bench.anchors.floor_app:celery", BENCH_MODEL=str(folder)),
        bench.installation.wsgi("bench.anchors.floor_app:application") as url,
    ):
        yield url
