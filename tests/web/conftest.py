from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pgtrigger
import pytest
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client

from reviewapp.accounts.models import User
from reviewapp.cases.actions.explaining import UNAVAILABLE
from reviewapp.cases.models import Explanation, Review, Verdict
from reviewapp.events.models import OutboxEntry


@pytest.fixture
def signed_in() -> Callable[[User], Client]:
    """A browser in which the person has signed in."""

    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture(autouse=True)
def _wake_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are tested without workers; a message in the broker would reach nobody."""
    monkeypatch.setattr("reviewapp.celery.waker.wake", lambda name: None)


@pytest.fixture
def expire_claims(db: Any) -> Callable[[], None]:
    """Lets every claim have ended a minute ago."""

    def expire() -> None:
        Review.objects.filter(claimed_by__isnull=False).update(
            claimed_at=Now() - timedelta(minutes=11), claim_until=Now() - timedelta(minutes=1)
        )

    return expire


@pytest.fixture
def age_verdicts(db: Any) -> Callable[..., None]:
    """Lets every answer have been given earlier, and what it announced have left."""

    def age(*, seconds: int) -> None:
        with pgtrigger.ignore("cases.Verdict:verdict_append_only"):
            Verdict.objects.update(created_at=F("created_at") - timedelta(seconds=seconds))
        OutboxEntry.objects.all().delete()

    return age


@pytest.fixture
def fail_explanations(db: Any) -> Callable[[Review], None]:
    """Gives up on explaining a review's prediction, as the explain process does in the end."""

    def fail(review: Review) -> None:
        Explanation.objects.create(
            prediction_id=review.prediction_id,
            method=UNAVAILABLE,
            state=Explanation.State.FAILED,
            failure="MemoryError: the background is too large",
        )

    return fail
