"""G5: the next case for four reviewers at a time, whatever the length of the queue, after many unvacuumed claims."""

import multiprocessing
import time
from typing import Any

from bench import fill, load, queue
from bench.samples import Goal, Result, Sample, check
from bench.workbench import Workbench

USERS = 4


def _goal(reviews: int, *, target: float | None, stretch: float | None) -> Goal:
    return Goal(
        "G5",
        f"next case, p95, {USERS} users, {reviews:,} reviews",
        "1,000 reviews",
        "ms",
        target=target,
        stretch=stretch,
        is_less_better=True,
    )


GOAL = _goal(1_000_000, target=1.5, stretch=1.2)


def measure(bench: Workbench) -> list[Result]:
    sizes = [100_000, 1_000_000] if not bench.is_small else [10_000]
    results = []
    for size in sizes:
        goal = _goal(size, target=1.5, stretch=1.2) if size != 100_000 else _goal(size, target=None, stretch=None)
        results.append(_compare(bench, goal, size))
    fill.clear(bench.database)
    return results


def _compare(bench: Workbench, goal: Goal, size: int) -> Result:
    """Two streams in one table: a short queue and a long one, each with the same dead entries at its head."""
    dead = bench.size(100_000, 2_000)
    each = bench.size(250, 25)
    spent = each * USERS * (bench.rounds + 1)
    fill.clear(bench.database)
    short, long = queue.streams()
    people = queue.people(bench, USERS)
    queue.fill(bench, short, reviews=1000 + dead + spent)
    queue.fill(bench, long, reviews=size + dead + spent)
    queue.settle(bench)
    queue.claim_away(bench, short, number=dead)
    queue.claim_away(bench, long, number=dead)

    def sample(stream: Any) -> Sample:
        return _next(stream, people, each=each)

    return bench.compare(goal, product=lambda: sample(long), anchor=lambda: sample(short))


def _next(stream: Any, people: list[Any], *, each: int) -> Sample:
    from django.db import connections

    connections.close_all()
    with multiprocessing.get_context("fork").Pool(USERS) as pool:
        found = pool.starmap(_claim_many, [(stream.pk, user.pk, each) for user in people])
    times = [seconds for taken, _ in found for seconds in taken]
    claimed = [review for _, reviews in found for review in reviews]
    check(len(set(claimed)) == len(claimed) == each * USERS, "a review was claimed twice, or not at all")
    facts = {"p50_ms": load.percentile(times, 0.5) * 1e3, "p99_ms": load.percentile(times, 0.99) * 1e3}
    return Sample(load.percentile(times, 0.95) * 1e3, facts)


def _claim_many(stream_id: Any, user_id: int, each: int) -> tuple[list[float], list[Any]]:
    """One reviewer: takes the next case, and is done with it at once."""
    from reviewapp.accounts.models import User
    from reviewapp.cases.actions import claims
    from reviewapp.registry.actors import Actor
    from reviewapp.registry.models import Stream

    stream = Stream.objects.select_related("team").get(pk=stream_id)
    actor = Actor.for_user(User.objects.get(pk=user_id))
    times, reviews = [], []
    for _ in range(each):
        started = time.perf_counter()
        review = claims.claim_next(stream=stream, by=actor)
        times.append(time.perf_counter() - started)
        assert review is not None
        reviews.append(review.pk)
        queue.close(review)
    return times, reviews
