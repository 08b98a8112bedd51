"""G15: POST to decision while explanations are computed, beside the same while none are."""

from bench import fill, latency
from bench.samples import Goal, Result, Sample, check
from bench.servers import wait_for
from bench.workbench import Workbench

GOAL = Goal(
    "G15",
    "POST to decision, p95 at 100/s, explanations running",
    "the same, none running",
    "ms",
    target=1.3,
    stretch=1.1,
    is_less_better=True,
)


def measure(bench: Workbench) -> list[Result]:
    rate = bench.size(100, 50)
    number = rate * bench.size(15, 2)
    waiting = bench.size(20_000, 1_000)
    fill.clear(bench.database)
    _score(bench, waiting)
    with bench.installation.product("web", "inference") as url:

        def anchor() -> Sample:
            return latency.offer(bench, url, rate=rate, number=number)[0]

        def product() -> Sample:
            _ask_for_explanations(bench)
            with bench.installation.product("explain"):
                bench.wake("cases.drain_explain")
                wait_for(lambda: bench.one("SELECT count(*) FROM cases_explanation") > 0)
                before = bench.one("SELECT count(*) FROM cases_explanation")
                sample, _ = latency.offer(bench, url, rate=rate, number=number)
                explained = bench.one("SELECT count(*) FROM cases_explanation") - before
                left = bench.one("SELECT count(*) FROM cases_work WHERE kind = 'explain'")
            check(explained > 0 and left > 0, f"{explained} explanations beside it, {left} left")
            return Sample(sample.value, {**sample.facts, "explained": explained})

        result = bench.compare(GOAL, product=product, anchor=anchor)
    fill.clear(bench.database)
    return [result]


def _score(bench: Workbench, number: int) -> None:
    from reviewapp.cases.actions import scoring

    bench.receive(bench.bodies(number))
    while scoring.score_batch():
        pass


def _ask_for_explanations(bench: Workbench) -> None:
    """More than can be made while the sample lasts."""
    bench.database.execute("TRUNCATE cases_explanation")
    bench.database.execute("DELETE FROM cases_work WHERE kind = 'explain'")
    bench.database.execute(
        "INSERT INTO cases_work (kind, subject, generation, priority, attempts, is_dead, last_error, traceparent) "
        "SELECT 'explain', id, 1, 0, 0, false, '', '' FROM cases_prediction"
    )
