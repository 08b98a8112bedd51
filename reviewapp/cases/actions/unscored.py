"""Cases that no model could score: people get them, with the reason."""

from collections.abc import Sequence

from reviewapp.cases.actions.guarding import facts
from reviewapp.cases.models import Case, Review
from reviewapp.domain import gate
from reviewapp.domain.states import CaseState
from reviewapp.events import actions as events
from reviewapp.gating.rulebook import Rulebook


def to_review(*, rulebook: Rulebook, cases: Sequence[tuple[str, int, float, str]], reason: gate.Reason) -> None:
    """Queue cases (id, generation, coin, due) without a prediction. Call it under the rulebook's lock."""
    for case_id, generation, coin, due_at in cases:
        case = Case.objects.select_for_update(of=("self",), no_key=True).get(pk=case_id)
        if case.state != CaseState.SCORING or case.generation != generation:
            continue
        ruling = gate.to_review((reason,), facts=facts(coin, rulebook))
        case.num_events += 1
        Case.objects.filter(pk=case_id).update(state=CaseState.IN_REVIEW, num_events=case.num_events)
        Review.objects.create(
            case_id=case_id,
            stream=rulebook.stream,
            generation=generation,
            kind=Review.Kind.ROUTINE,
            mode="blind" if ruling.is_blind else rulebook.stream.review_mode,
            reasons=[reason.as_dict()],
            inclusion_probability=ruling.inclusion_probability,
            due_at=due_at,
        )
        events.record(
            events.Happening(
                type="review.opened",
                subject=f"case:{case_id}",
                actor="policy",
                payload={
                    "case": str(case_id),
                    "external_id": case.external_id,
                    "stream": rulebook.stream.slug,
                    "generation": generation,
                    "sequence": case.num_events,
                    "reasons": [reason.code],
                },
                team_id=rulebook.stream.team_id,
                stream_id=rulebook.stream.pk,
                case_id=case_id,
                sequence=case.num_events,
            )
        )
