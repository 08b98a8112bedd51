"""Back-tests: a policy version replayed on a past period from what is stored; nothing is decided by it.

A back-test walks the period's cases in chunks, each a short transaction that keeps what was counted so far: it goes on
where it stopped, whichever process takes the next chunk.
"""

from datetime import datetime
from typing import Any

import structlog
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from reviewapp.cases import back_test_reading as reading
from reviewapp.celery import enqueue
from reviewapp.domain.errors import Conflict, DomainError, Invalid
from reviewapp.gating.models import BackTest, BackTestChange
from reviewapp.registry.actors import SYSTEM, Actor, check_role
from reviewapp.registry.models import PolicyVersion, Role, Stream
from reviewapp.registry.policies import check_body
from reviewapp.registry.trail import happened, lock

log = structlog.get_logger(__name__)

State = BackTest.State
BACK_TEST_TASK = "cases.run_back_tests"
MAX_CASES = 1_000_000
MAX_CHANGES = 20_000
# So many may wait for one another in a stream.
MAX_UNFINISHED = 5
UNFINISHED = (State.WAITING, State.RUNNING)


@transaction.atomic
def start(*, policy: PolicyVersion, period_start: datetime, period_end: datetime, by: Actor) -> BackTest:
    """Have a version replayed on the cases that arrived in a period.

    Raises Invalid for a period without cases, or with more than can be replayed.
    """
    stream = policy.stream
    check_role(by, stream, Role.POLICY_OWNER)
    lock(stream)
    policy.refresh_from_db(fields=["body"])
    check_body(policy.body, stream)
    period_end = min(period_end, timezone.now())
    unfinished = BackTest.objects.filter(policy_version__stream=stream, state__in=UNFINISHED)
    if unfinished.count() >= MAX_UNFINISHED:
        raise Conflict(
            f"{MAX_UNFINISHED} back-tests of “{stream.name}” are under way; wait for one of them, or cancel it.",
            code="back_tests_under_way",
        )
    test = BackTest(policy_version=policy, period_start=period_start, period_end=period_end, created_by=str(by))
    cases, first_at = _check_period(stream, test)
    test.result = {"progress": {"replayed": 0, "cases": cases, "first_at": first_at.isoformat()}}
    test.save()
    _record("back_test.started", test, by, cases=cases)
    enqueue(BACK_TEST_TASK)
    return test


@transaction.atomic
def cancel(*, back_test: BackTest, by: Actor) -> BackTest:
    """End a back-test that is not done; cancelling one that has ended changes nothing."""
    check_role(by, back_test.policy_version.stream, Role.POLICY_OWNER)
    found = BackTest.objects.select_for_update(of=("self",), no_key=True)
    found = found.select_related("policy_version__stream")
    current = found.get(pk=back_test.pk)
    if current.state in UNFINISHED:
        _fail(current, "It was cancelled.", by)
    return current


def is_due() -> bool:
    """Whether a back-test waits or is under way."""
    return BackTest.objects.filter(state__in=UNFINISHED).exists()


def run_waiting() -> int:
    """Replay the next chunk of the oldest back-test that nobody works on; answers 1, or 0 when none is left."""
    # The replay reckons with numpy: a process that only starts back-tests never loads it.
    from reviewapp.cases.back_test_run import advance

    with transaction.atomic():
        test = (
            BackTest.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
            .select_related("policy_version__stream")
            .filter(state__in=UNFINISHED)
            .order_by("pk")
            .first()
        )
        if test is None:
            return 0
        try:
            with transaction.atomic():
                is_done = advance(test, max_changes=MAX_CHANGES)
                _finish(test) if is_done else _save(test)
        except DomainError as error:
            _fail(test, str(error), SYSTEM)
        except Exception:
            log.exception("back_test.failed", back_test=str(test.pk))
            _fail(test, "It failed for a reason of the product's own; the log of the worker tells it.", SYSTEM)
    return 1


def _save(test: BackTest) -> None:
    BackTest.objects.filter(pk=test.pk).update(state=State.RUNNING, result=test.result)


def _finish(test: BackTest) -> None:
    result = test.result or {}
    BackTest.objects.filter(pk=test.pk).update(state=State.DONE, result=result, finished_at=Now())
    told = {key: result[key] for key in ("cases", "days", "changed", "before", "after", "unknown")}
    _record("back_test.finished", test, SYSTEM, **told)


def _fail(test: BackTest, detail: str, by: Actor) -> None:
    BackTest.objects.filter(pk=test.pk).update(state=State.FAILED, detail=detail[:300], result=None, finished_at=Now())
    BackTestChange.objects.filter(back_test=test).delete()
    test.state, test.detail, test.result = State.FAILED, detail[:300], None
    _record("back_test.failed", test, by, detail=test.detail)


def _check_period(stream: Stream, test: BackTest) -> tuple[int, datetime]:
    """How many cases the period has, and when the first of them came."""
    if test.period_start >= test.period_end:
        raise _of_period("The period must start in the past, and end after it starts.")
    number, first_at = reading.count(stream, test)
    if first_at is None:
        last = stream.cases.order_by("-pk").values_list("received_at", flat=True).first()
        told = f"its newest case came on {last:%Y-%m-%d %H:%M} UTC" if last else "it has had none yet"
        raise _of_period(f"No case of “{stream.name}” arrived in this period; {told}.")
    if number > MAX_CASES:
        raise _of_period(f"{number:,} cases arrived in this period; choose a shorter one, of at most {MAX_CASES:,}.")
    return number, first_at


def _of_period(message: str) -> Invalid:
    errors = [{"field": "period_start", "code": "period_invalid", "message": message}]
    return Invalid(message, code="period_invalid", errors=errors)


def _record(type_: str, test: BackTest, by: Actor, **more: Any) -> None:
    policy = test.policy_version
    payload = {
        "back_test": str(test.pk),
        "policy": policy.number,
        "period_start": test.period_start.isoformat(),
        "period_end": test.period_end.isoformat(),
        **more,
    }
    happened(policy.stream, type_, by=by, payload=payload, subject=f"policy:{policy.pk}")
