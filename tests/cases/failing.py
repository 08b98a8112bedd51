"""A primary that fails until it is rested."""

from datetime import timedelta

from django.utils import timezone

from reviewapp.cases.actions import scoring
from reviewapp.cases.models import Case, Work
from reviewapp.gating.actions import circuits
from reviewapp.registry.models import Stream
from tests.factories import bundles, cases


def fail_until_rested(stream: Stream) -> Case:
    """Batches by the failing primary until its circuit opens; answers the case they were for."""
    case = cases.received(stream, bundles.CLEARLY_INTACT)
    for _ in range(circuits.FAILURES):
        Work.objects.update(run_after=timezone.now() - timedelta(seconds=1))
        scoring.score_batch()
    case.refresh_from_db()
    return case
