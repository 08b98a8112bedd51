"""G10: decisions per second when 500 cases a second are offered for a minute, and what is left waiting at the end."""

import time

from bench import cases, fill, load
from bench.samples import Goal, Result, Sample, check
from bench.workbench import Workbench

LONGEST_AGE = 1.0


def measure(bench: Workbench) -> list[Result]:
    results = []
    for rate in (bench.size(500, 100), bench.size(800, 100)):
        goal = _goal(rate)
        with bench.installation.product("web", "inference", "explain", "worker") as url:
            results.append(_measure(bench, goal, url, rate=rate))
        fill.clear(bench.database)
        if bench.is_small:
            break
    return results


def _goal(rate: int) -> Goal:
    is_main = rate <= 500
    return Goal(
        "G10",
        f"decided per second at {rate}/s offered; oldest waiting ≤ {LONGEST_AGE:g} s",
        "offered",
        "cases/s",
        target=0.99 if is_main else None,
    )


GOAL = _goal(500)


def _measure(bench: Workbench, goal: Goal, url: str, *, rate: int) -> Result:
    """The first offer is short: it loads the model. The rounds follow on a backlog-free system each time."""
    result = Result(goal)
    bench.recorder.sample(goal, "product", "cold", _offer(bench, url, rate=rate, seconds=2))
    for number in range(1, bench.rounds + 1):
        sample = _offer(bench, url, rate=rate, seconds=bench.size(60, 5))
        bench.recorder.sample(goal, "product", number, sample)
        bench.recorder.sample(goal, "anchor", number, Sample(rate))
        result.product.append(sample.value)
        result.anchor.append(rate)
        age = sample.facts["oldest_waiting_s"]
        if age > LONGEST_AGE:
            result.misses.append(f"round {number}: the oldest waited {age:.1f} s")
    return result


def _offer(bench: Workbench, url: str, *, rate: int, seconds: int) -> Sample:
    fill.clear(bench.database)
    number = rate * seconds
    requests = [load.post(bench.path, cases.encoded(body), key=bench.key) for body in bench.bodies(number)]
    sent = load.open_loop(url, requests, rate=rate)
    age = bench.one(
        "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 "
        "FROM cases_work WHERE kind = 'score'"
    )
    check(set(sent.statuses) == {202}, f"answered {set(sent.statuses)}: {bench.installation.said('web')}")
    end = time.monotonic() + 120
    while bench.one("SELECT count(*) FROM cases_prediction") < number and time.monotonic() < end:
        time.sleep(0.02)
    first, last = bench.database.execute(
        "SELECT min(received_at), max(p.created_at) FROM cases_case c JOIN cases_prediction p ON p.case_id = c.id"
    ).fetchone() or (None, None)
    done = bench.one("SELECT count(DISTINCT case_id) FROM cases_prediction")
    twice = bench.one("SELECT count(*) FROM cases_prediction") - done
    check(done == number and twice == 0, f"{done} of {number} cases were decided, {twice} twice")
    assert first is not None
    # A last case that is decided at once would count as 1 / rate too fast.
    seconds_taken = max((last - first).total_seconds(), sent.seconds, number / rate)
    return Sample(
        number / seconds_taken,
        {
            "oldest_waiting_s": age,
            "answer_p95_ms": load.percentile(sent.latencies, 0.95) * 1e3,
            "sender_late_p95_ms": load.percentile(sent.lateness, 0.95) * 1e3,
        },
    )
