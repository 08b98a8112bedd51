"""G1: bulk intake, a thousand cases to a call, beside COPY of the very rows it wrote."""

import time
from collections.abc import Callable
from typing import Any

import msgspec

from bench import cases, fill, load
from bench.samples import Goal, Result, Sample, check
from bench.workbench import BULK, Workbench

GOAL = Goal(
    "G1",
    f"bulk intake x{BULK} over HTTP: all that it writes",
    "COPY of those rows, ready as bytes",
    "cases/s",
    target=0.30,
    stretch=0.50,
)
INSIDE = Goal(
    "G1",
    f"bulk intake x{BULK} without HTTP: parse, check, write",
    "COPY of those rows, ready as bytes",
    "cases/s",
    target=0.30,
    stretch=0.50,
)


def measure(bench: Workbench) -> list[Result]:
    number = bench.size(20, 2) * BULK
    inside = _compare(bench, INSIDE, number, lambda texts: _inside(bench, texts))
    with bench.installation.product("web") as url:
        over_http = _compare(bench, GOAL, number, lambda texts: _over_http(bench, url, texts))
    return [over_http, inside]


def _compare(bench: Workbench, goal: Goal, number: int, send: Callable[[list[bytes]], float]) -> Result:
    written: list[fill.Backlog] = []

    def product() -> Sample:
        fill.clear(bench.database)
        bodies = bench.bodies(number)
        texts = [cases.encoded(bodies[start : start + BULK]) for start in range(0, number, BULK)]
        seconds = send(texts)
        written[:] = [fill.read(bench.database)]
        _check_written(bench, bodies)
        return Sample(number / seconds)

    def anchor() -> Sample:
        fill.clear(bench.database)
        started = time.perf_counter()
        fill.write(bench.database, written[0], batch=BULK)
        return Sample(number / (time.perf_counter() - started))

    result = bench.compare(goal, product=product, anchor=anchor)
    fill.clear(bench.database)
    return result


def _inside(bench: Workbench, texts: list[bytes]) -> float:
    """What the view does between the body and the answer."""
    from reviewapp.api.rows import array_rows
    from reviewapp.cases import submissions
    from reviewapp.cases.actions import intake
    from reviewapp.registry.actors import SYSTEM
    from reviewapp.registry.contracts import contract_of

    started = time.perf_counter()
    for text in texts:
        contract = contract_of(bench.stream)
        batch = [
            submissions.parse(row.content, stream=bench.stream, contract=contract)
            for row in array_rows(text.decode(), has_escapes=b"\\u" in text)
        ]
        receipts = intake.receive(stream=bench.stream, submissions=batch, by=SYSTEM)
        check(all(receipt.outcome == "created" for receipt in receipts), "a fresh case was not created")
    return time.perf_counter() - started


def _over_http(bench: Workbench, url: str, texts: list[bytes]) -> float:
    requests = [load.post(f"{bench.path}/bulk", text, key=bench.key) for text in texts]
    sent = load.closed_loop(url, requests, connections=1, keep_bodies=True)
    check(set(sent.statuses) == {200}, f"bulk answered {sorted(set(sent.statuses))}: {bench.installation.said('web')}")
    for body in sent.bodies.values():
        check(msgspec.json.decode(body)["created"] == BULK, "a fresh case was not created")
    return sent.seconds


def _check_written(bench: Workbench, bodies: list[dict[str, Any]]) -> None:
    """Each case once, with the input that was sent, its work and its event."""
    from reviewapp.cases.verification import verify

    findings, states = verify()
    for finding in findings:
        check(finding.count == 0, f"{finding.count} times not so: {finding.check.sentence}")
    check(states["scoring"] == len(bodies), f"of {len(bodies)} cases there are {states}")
    stored = bench.database.execute(
        "SELECT c.external_id, i.features FROM cases_case c JOIN cases_caseinput i ON i.case_id = c.id"
    ).fetchall()
    check(dict(stored) == {body["external_id"]: body["features"] for body in bodies}, "an input is not what was sent")
