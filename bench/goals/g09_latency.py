"""G9: POST to decision at 200 cases a second through the whole product, beside the floor under the same load."""

from bench import fill, latency
from bench.samples import Goal, Result, Sample
from bench.workbench import Workbench

GOAL = Goal(
    "G9",
    "POST to decision, p95 at 200/s, open loop",
    "bare INSERT, Celery wake-up, bare drain",
    "ms",
    target=4,
    stretch=2,
    is_less_better=True,
)


def measure(bench: Workbench) -> list[Result]:
    rate = bench.size(200, 50)
    number = rate * bench.size(15, 2)
    with (
        latency.floor(bench) as floor_url,
        bench.installation.product("web", "inference", "explain", "worker") as url,
    ):

        def anchor() -> Sample:
            bench.database.execute("TRUNCATE bench_case")
            return latency.offer(bench, floor_url, rate=rate, number=number, is_floor=True)[0]

        def product() -> Sample:
            return latency.offer(bench, url, rate=rate, number=number)[0]

        result = bench.compare(GOAL, product=product, anchor=anchor)
    fill.clear(bench.database)
    return [result]
