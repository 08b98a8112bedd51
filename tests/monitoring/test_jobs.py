from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db.models import F
from django.utils import timezone

from reviewapp.api.models import IdempotencyKey
from reviewapp.monitoring import jobs, tasks
from reviewapp.monitoring.jobs import Job
from reviewapp.monitoring.models import Heartbeat, MetricSnapshot

pytestmark = pytest.mark.django_db


def test_each_job_gets_its_turn_once_in_its_time():
    assert jobs.any_due()

    assert jobs.run_due() == len(jobs.JOBS)
    assert jobs.run_due() == 0
    assert not jobs.any_due()
    Heartbeat.objects.update(beat_at=F("beat_at") - timedelta(seconds=16))

    assert jobs.any_due()
    assert jobs.run_due() == sum(job.every <= timedelta(seconds=16) for job in jobs.JOBS) > 0
    assert MetricSnapshot.objects.exists()


def test_a_job_that_fails_is_logged_and_the_others_run(monkeypatch, caplog):
    done = []

    def fail() -> None:
        raise RuntimeError("broken on purpose")

    every = timedelta(minutes=1)
    monkeypatch.setattr(jobs, "JOBS", (Job("bad", every, fail), Job("good", every, lambda: done.append(1))))

    tasks.run_jobs()

    assert done == [1]
    assert "broken on purpose" in caplog.text


def test_idempotency_keys_are_kept_for_thirty_days(rosa):
    for days in (0, 29, 31):
        key = IdempotencyKey.objects.create(user=rosa, key=f"key-{days}", route="x", fingerprint=b"")
        IdempotencyKey.objects.filter(pk=key.pk).update(created_at=timezone.now() - timedelta(days=days))

    assert jobs.forget_idempotency_keys() == 1

    assert set(IdempotencyKey.objects.values_list("key", flat=True)) == {"key-0", "key-29"}


def test_expired_sessions_are_cleared():
    now = timezone.now()
    Session.objects.create(session_key="old", session_data="", expire_date=now - timedelta(days=1))
    Session.objects.create(session_key="new", session_data="", expire_date=now + timedelta(days=1))

    jobs.clear_sessions()

    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]
