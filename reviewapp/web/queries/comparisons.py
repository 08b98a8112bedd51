"""A comparison of two model versions, as the page shows it."""

from dataclasses import dataclass

from reviewapp.cases.comparing import AtWork, ByClass, Comparison, Right, Settled, compare
from reviewapp.registry.actions.rollouts import lineup_of
from reviewapp.registry.models import ModelVersion, Stream

LISTED = 100
DIFFERENCES_SHOWN = 12


@dataclass(frozen=True)
class Side:
    """One version's column: how right it was on the same settled cases, on the honest ones, and on all of its own."""

    version: ModelVersion
    at_work: AtWork
    right: Right
    right_honest: Right
    right_alone: Right


@dataclass(frozen=True)
class Shown:
    comparison: Comparison
    sides: tuple[Side, Side]
    agreement: Right
    settled: Settled
    differences: list[tuple[str, str, int]]
    num_hidden: int
    classes: list[ByClass]


def chosen(stream: Stream, one: str | None, other: str | None) -> tuple[ModelVersion | None, ModelVersion | None]:
    """The versions asked for; without a choice the primary beside its canary, first shadow or predecessor."""
    by_number = {str(version.number): version for version in stream.model_versions.all()}
    if one in by_number and other in by_number and one != other:
        return by_number[one], by_number[other]
    lineup = lineup_of(stream)
    if lineup is None:
        return None, None
    beside = lineup.canary or next(iter(lineup.shadows), None) or lineup.previous
    first = by_number.get(one or "") or lineup.primary
    return (first, beside) if beside is None or beside.pk != first.pk else (lineup.primary, first)


def shown(stream: Stream, one: ModelVersion, other: ModelVersion) -> Shown:
    found = compare(stream, one, other)
    settled, honest, alone = found.settled(), found.settled(honest_only=True), found.alone()
    differences = found.differences
    return Shown(
        comparison=found,
        sides=(
            Side(one, found.at_work[0], settled.one, honest.one, alone[0]),
            Side(other, found.at_work[1], settled.other, honest.other, alone[1]),
        ),
        agreement=found.agreement,
        settled=settled,
        differences=differences[:DIFFERENCES_SHOWN],
        num_hidden=len(differences[DIFFERENCES_SHOWN:]),
        classes=found.by_class(stream.classes),
    )
