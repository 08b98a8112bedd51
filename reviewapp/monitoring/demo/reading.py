"""First answers of the demo's reviewers: the true label, given through the same actions as in the browser."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from reviewapp.cases.actions import claims, verdicts
from reviewapp.cases.models import Case, Review
from reviewapp.domain.errors import Conflict, PreconditionFailed
from reviewapp.monitoring.demo.people import Person
from reviewapp.registry.models import Stream

# Which reviews are answered, as the share of the cases in the order in which they came: evidence counts up to the first
# that waits. Audits come first in a queue, so few are left: a newcomer soon sees a case with its evidence.
_AUDITED = 0.9
SHARES = {
    Review.Kind.ROUTINE: 0.6,
    Review.Kind.AUDIT: _AUDITED,
    Review.Kind.SECOND_OPINION: _AUDITED,
    Review.Kind.ADJUDICATION: _AUDITED,
}


def read_part(stream: Stream, *, truth: Mapping[str, str], readers: Sequence[Person]) -> int:
    """Answer the open reviews of the cases that came first, further readings with them; answers how many.

    Whoever is claimed or was answered before is left alone, and a second run finds nothing to do.
    """
    cases = Case.objects.filter(stream=stream, external_id__in=list(truth)).order_by("pk").values_list("pk", flat=True)
    place = {case_id: number / len(truth) for number, case_id in enumerate(cases)}
    tried: set[UUID] = set()
    answered = 0
    while waiting := [one for one in _waiting(stream, place) if one[0] not in tried]:
        for number, (pk, answer) in enumerate((pk, truth[external_id]) for pk, external_id in waiting):
            tried.add(pk)
            first = number % len(readers)
            answered += _read(pk, answer, [*readers[first:], *readers[:first]])
    return answered


def _waiting(stream: Stream, place: Mapping[UUID, float]) -> list[tuple[UUID, str]]:
    """The reviews to answer, with upstream's id of each case, in the order in which the cases came."""
    found = (
        Review.objects.open()
        .filter(stream=stream, kind__in=list(SHARES), round=1, claimed_by__isnull=True, case__in=list(place))
        .order_by("case_id", "pk")
        .values_list("pk", "case_id", "case__external_id", "kind")
    )
    return [(pk, external_id) for pk, case_id, external_id, kind in found if place[case_id] < SHARES[Review.Kind(kind)]]


def _read(review_id: UUID, answer: str, readers: Sequence[Person]) -> bool:
    """Have it answered by the first who may: a second reading is nobody's who has read the case before."""
    return any(_read_by(reader, review_id, answer) for reader in readers)


def _read_by(reader: Person, review_id: UUID, answer: str) -> bool:
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
