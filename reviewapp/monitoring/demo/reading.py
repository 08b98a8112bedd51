"""First answers of the demo's reviewers: the true label, given through the same actions as in the browser."""

import hashlib
from collections.abc import Mapping, Sequence
from uuid import UUID

from reviewapp.cases.actions import claims, verdicts
from reviewapp.cases.models import Review
from reviewapp.domain.errors import Conflict, PreconditionFailed
from reviewapp.monitoring.demo.people import Person
from reviewapp.registry.models import Stream

# Of the reviews that the first run finds; the rest is the queue that a newcomer meets. Audits come first in a queue,
# so few are left: the newcomer soon sees a case with its evidence.
SHARES = {Review.Kind.ROUTINE: 0.4, Review.Kind.AUDIT: 0.95}


def read_part(stream: Stream, *, truth: Mapping[str, str], readers: Sequence[Person]) -> int:
    """Answer a fixed part of the open reviews; whoever is claimed or was answered before is left alone.

    Which cases it takes follows from their ids, so a second run finds nothing to do.
    """
    waiting = (
        Review.objects.open()
        .filter(
            stream=stream,
            kind__in=list(SHARES),
            round=1,
            claimed_by__isnull=True,
            case__external_id__in=list(truth),
        )
        .order_by("pk")
        .values_list("pk", "case__external_id", "kind")
    )
    chosen = [(pk, external_id) for pk, external_id, kind in waiting if _place(external_id) < SHARES[Review.Kind(kind)]]
    return sum(
        _read(pk, truth[external_id], readers[number % len(readers)]) for number, (pk, external_id) in enumerate(chosen)
    )


def _read(review_id: UUID, answer: str, reader: Person) -> bool:
    by = reader.actor
    try:
        review = claims.claim(review_id=review_id, by=by)
        assert review.claim_token is not None, "a claimed review has a token"
        for _ in range(2 if review.mode == Stream.Mode.COMMIT_THEN_REVEAL else 1):
            verdicts.submit(review_id=review.pk, claim_token=review.claim_token, answer=answer, by=by, is_demo=True)
    except (Conflict, PreconditionFailed):
        # Somebody was faster, or upstream has amended the case.
        return False
    return True


def _place(external_id: str) -> float:
    """A fixed number in [0, 1) for each id."""
    return int.from_bytes(hashlib.sha256(external_id.encode()).digest()[:8], "big") / 2**64
