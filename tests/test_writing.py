"""Batches: few rows or many, sent one by one or together, are the same rows."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.utils import timezone

from reviewapp.cases.actions import work
from reviewapp.cases.models import Work
from reviewapp.writing import FEW, execute, together, write_rows

COLUMNS = "kind, subject, generation, priority, attempts, run_after, is_dead, last_error, traceparent, created_at"


def rows(number: int, *, kind: str = "explain") -> list[tuple[Any, ...]]:
    now = timezone.now()
    return [(kind, f"subject {place}", 1, 0, 0, now, False, 'said "no"\n\\N', "", now) for place in range(number)]


@pytest.mark.parametrize("number", [0, 1, FEW, FEW + 1])
def test_the_rows_are_written_as_they_are_given(db: None, number: int) -> None:
    given = rows(number)

    write_rows("cases_work", COLUMNS, given)

    written = Work.objects.order_by("id").values_list(*COLUMNS.split(", "))
    assert list(written) == given


@pytest.mark.parametrize("number", [2, FEW + 1])
def test_together_they_are_the_same(db: None, number: int) -> None:
    with together(number):
        write_rows("cases_work", COLUMNS, rows(number))
        counted = execute("SELECT count(*) FROM cases_work", [])

    assert counted.fetchone() == (number,)


@pytest.mark.parametrize("number", [1, FEW + 1])
def test_a_violation_ends_the_transaction(transactional_db: None, number: int) -> None:
    with pytest.raises(IntegrityError, match="work_once"), transaction.atomic():
        write_twice(number)

    assert not Work.objects.exists()
    with transaction.atomic():
        write_rows("cases_work", COLUMNS, rows(number))
    assert Work.objects.count() == number


def write_twice(number: int) -> None:
    Work.objects.create(kind="embed", subject="before")
    with together(number):
        write_rows("cases_work", COLUMNS, rows(number))
        write_rows("cases_work", COLUMNS, rows(number))


def test_only_the_claim_itself_does_not_wait_for_the_disk(transactional_db: None) -> None:
    work.add(kind="explain", subjects=["a"])

    assert work.claim(kind="explain", limit=1).rows

    assert execute("SHOW synchronous_commit", []).fetchone() == ("on",)


def test_a_connection_that_the_server_ended_is_replaced(transactional_db: None) -> None:
    Work.objects.count()
    connection.health_check_enabled, connection.health_check_done = True, False
    assert connection.is_usable()
    (ended,) = execute("SELECT pg_backend_pid()", []).fetchone() or (0,)
    with psycopg.connect(**other_connection()) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [ended])
        end = timezone.now() + timedelta(seconds=5)
        while connection.is_usable() and timezone.now() < end:
            pass

    assert not connection.is_usable()
    connection.health_check_done = False
    assert execute("SELECT pg_backend_pid()", []).fetchone() != (ended,)


def other_connection() -> dict[str, Any]:
    kept = connections["default"].get_connection_params()
    return {name: kept[name] for name in ("host", "port", "user", "dbname", "password") if name in kept}
