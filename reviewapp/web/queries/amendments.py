"""What an amendment changed under a reviewer's hands."""

from dataclasses import dataclass
from typing import Any

from reviewapp.cases.models import CaseInput, Review
from reviewapp.web.queries.displays import display_of, revisions_in_force
from reviewapp.web.subjects import written


@dataclass(frozen=True)
class Change:
    label: str
    before: str
    after: str


def changes_since(review: Review) -> list[Change]:
    """The columns whose values differ between the review's input and the case's present one."""
    generations = (review.generation, review.case.generation)
    inputs = {one.generation: one for one in CaseInput.objects.filter(case=review.case_id, generation__in=generations)}
    before, after = (inputs[generation].features for generation in generations)
    display = display_of(review.stream, revisions_in_force(review.stream))
    names = [*display.columns, *sorted((before.keys() | after.keys()) - set(display.columns))]
    return [
        Change(display.label(name), _text(before.get(name)), _text(after.get(name)))
        for name in names
        if before.get(name) != after.get(name)
    ]


def successor_of(review: Review) -> Review | None:
    """The open review of the case as it is now, once it has been scored again."""
    return (
        Review.objects.filter(case=review.case_id, state=Review.State.OPEN, generation=review.case.generation)
        .order_by("-created_at", "pk")
        .first()
    )


def _text(value: Any) -> str:
    return written(value) or "missing"
