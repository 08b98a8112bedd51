"""A day's readings: people claim what is open and answer it, through the same actions as in the browser."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from reviewapp.cases.actions import claims, verdicts
from reviewapp.cases.models import Review
from reviewapp.domain.errors import Conflict
from reviewapp.monitoring.trial.deployment import from_reader
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Stream

_AGAIN = (Review.Kind.SECOND_OPINION, Review.Kind.ADJUDICATION)


def read_all(stream: Stream, *, answers: Mapping[UUID, str], readers: Sequence[Actor]) -> int:
    """Answer every open review, second and third readings with them; answers how many that were."""
    answered = 0
    while True:
        waiting = list(
            Review.objects.open().filter(stream=stream).order_by("pk").values_list("pk", "case_id", "kind", "round")
        )
        if not waiting:
            return answered
        for number, (pk, case_id, kind, _) in enumerate(waiting):
            _read(pk, answers[case_id], from_reader(readers, number), is_again=kind in _AGAIN)
            answered += 1


def _read(review_id: UUID, answer: str, readers: Sequence[Actor], *, is_again: bool) -> None:
    for place, reader in enumerate(readers):
        try:
            review = claims.claim(review_id=review_id, by=reader)
        except Conflict:
            # A second reading is nobody's who has read the case before.
            if not is_again or place == len(readers) - 1:
                raise
            continue
        assert review.claim_token is not None, "a claimed review has a token"
        verdicts.submit(review_id=review.pk, claim_token=review.claim_token, answer=answer, by=reader)
        return
