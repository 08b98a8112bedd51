from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from reviewapp.cases.actions import work
from reviewapp.cases.models import Work

pytestmark = pytest.mark.django_db


def add(*subjects: str, **options: int) -> None:
    work.add(kind="explain", subjects=subjects, **options)


def test_a_lease_takes_up_to_its_limit_in_order_of_arrival() -> None:
    add("a", "b", "c")

    lease = work.claim(kind="explain", limit=2)

    assert [(row.subject, row.attempts) for row in lease.rows] == [("a", 1), ("b", 1)]
    assert [row.subject for row in work.claim(kind="explain", limit=2).rows] == ["c"]
    assert not work.claim(kind="explain", limit=2).rows


def test_a_lease_is_of_one_kind_and_of_what_is_due() -> None:
    add("later", "dead", "now")
    work.add(kind="embed", subjects=["other"])
    Work.objects.filter(subject="later").update(run_after=timezone.now() + timedelta(minutes=1))
    Work.objects.filter(subject="dead").update(is_dead=True)

    assert [row.subject for row in work.claim(kind="explain", limit=9).rows] == ["now"]


def test_asking_twice_is_asking_once_at_the_higher_priority() -> None:
    add("a", priority=5)
    add("a", priority=9)
    add("a", priority=1)

    assert Work.objects.get().priority == 9


def test_another_generation_is_other_work() -> None:
    add("a", generation=1)
    add("a", generation=2)

    assert Work.objects.count() == 2


def test_only_the_holder_finishes() -> None:
    add("a", "b")
    lease = work.claim(kind="explain", limit=9)

    assert work.finish(token=uuid4(), ids=lease.ids) == set()
    assert work.finish(token=lease.token, ids=lease.ids[:1]) == {lease.ids[0]}
    assert [row.subject for row in Work.objects.all()] == ["b"]


@pytest.mark.parametrize(("is_try", "attempts"), [(True, 1), (False, 0)])
def test_work_is_given_back_with_or_without_counting_the_try(is_try: bool, attempts: int) -> None:
    add("a")
    lease = work.claim(kind="explain", limit=1)

    work.give_back(token=lease.token, ids=lease.ids, error="x" * 600, wait=timedelta(minutes=5), is_try=is_try)

    row = Work.objects.get()
    assert (row.attempts, row.lease_token, len(row.last_error)) == (attempts, None, 500)
    assert row.run_after > timezone.now() + timedelta(minutes=4)


def test_an_expired_lease_is_freed_and_its_try_counts() -> None:
    add("expired")
    work.claim(kind="explain", limit=1)
    Work.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    add("alive")
    work.claim(kind="explain", limit=1)

    assert work.free_expired() == 1

    assert [(row.subject, row.attempts) for row in work.claim(kind="explain", limit=9).rows] == [("expired", 2)]


def test_a_sign_of_life_extends_a_lease() -> None:
    add("a")
    lease = work.claim(kind="explain", limit=1)
    Work.objects.update(lease_until=timezone.now() + timedelta(seconds=1))

    work.extend(token=lease.token)

    assert Work.objects.get().lease_until > timezone.now() + timedelta(seconds=50)


def test_what_a_person_looks_at_jumps_the_line_once() -> None:
    add("old", "looked at")

    assert work.hurry(kind="explain", subject="looked at")
    assert not work.hurry(kind="explain", subject="looked at")
    assert not work.hurry(kind="explain", subject="unknown")
    assert [row.subject for row in work.claim(kind="explain", limit=1).rows] == ["looked at"]
