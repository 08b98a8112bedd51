"""Finding a case by its id, and a decision by when it was made, by what, of what class, why, or by whose answer."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from reviewapp.accounts.models import User
from reviewapp.cases.models import Case, Decision, Review, Verdict
from reviewapp.cases.permissions import oversees
from reviewapp.domain.errors import DomainError
from reviewapp.domain.states import CaseState
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import ModelVersion, Stream
from reviewapp.web.moments import Moment

SHOWN = 50
# The ids of decisions are in the order of the clocks that made them; those and the database's may differ by so much.
SKEW = timedelta(minutes=5)


# Reasons to decide alone; every other one is a reason to ask people, and stands on their review.
AUTOMATIC = frozenset({"above_threshold"})
FEW = 2_000
LONGEST = "4s"
_CANCELLED = "57014"


class TooSlow(DomainError):
    """The question would take longer than anybody waits."""

    code = "search_too_slow"
    status = 422


@dataclass(frozen=True)
class Search:
    """What is known of the decision. Empty parts are not asked for; `before` is the last row of the page before."""

    when: Moment | None = None
    stream: str = ""
    model: ModelVersion | None = None
    answer: str = ""
    source: str = ""
    reason: str = ""
    reviewer: User | None = None
    before: UUID | None = None


@dataclass(frozen=True)
class Found:
    """Decisions in the order of a page: the newest first, around a point in time the oldest first.

    `earlier` and `later` are the times from which to look on in either direction.
    """

    decisions: Sequence[Decision]
    older: UUID | None = None
    earlier: datetime | None = None
    later: datetime | None = None


def newest(actor: Actor, stream: str) -> list[Case]:
    """The newest cases the person may know of, of one stream or of all."""
    cases = Case.objects.visible_to(actor)
    if stream:
        cases = cases.filter(stream__slug=stream)
    return list(cases.select_related("stream").order_by("-pk")[:SHOWN])


def matching(actor: Actor, text: str) -> list[Case]:
    """The cases whose external id or id is exactly this."""
    streams = list(Stream.objects.visible_to(actor).values_list("pk", flat=True))
    # The streams are named one by one: an external id is looked up in the index of each.
    wanted = Q(external_id=text, stream__in=streams)
    with suppress(ValueError):
        wanted |= Q(pk=UUID(text), stream__in=streams)
    return list(Case.objects.filter(wanted).select_related("stream").order_by("-pk")[:SHOWN])


def decisions(actor: Actor, search: Search) -> Found:
    """The decisions that match, of the person's streams; those of a case that they may yet answer unseen are not.

    Raises TooSlow for what hardly ever happened and is looked for in all of a long history.
    """
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = '{LONGEST}'")
            return _decisions(_matching(actor, search), search)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != _CANCELLED:
            raise
        raise TooSlow("Looking through everything took too long; name a time as well, such as “last week”.") from error


def _decisions(matching: QuerySet[Decision], search: Search) -> Found:
    if search.when is None:
        return _page(matching, search)
    if search.when.is_point:
        return _around(matching, search.when.start)
    assert search.when.end is not None
    within = matching.filter(decided_at__gte=search.when.start, decided_at__lt=search.when.end)
    return _page(within.filter(pk__gte=_id_at(search.when.start - SKEW), pk__lt=_id_at(search.when.end + SKEW)), search)


def with_states(actor: Actor, cases: Sequence[Case]) -> list[tuple[Case, str]]:
    """Each case with the state the person may know: one still to be read unseen does not tell that it is decided."""
    unseen = Review.objects.open().filter(case__in=cases).exclude(mode=Stream.Mode.ASSISTED)
    readers: dict[UUID, set[UUID | None]] = {}
    for case_id, reader in unseen.values_list("case", "claimed_by"):
        readers.setdefault(case_id, set()).add(reader)
    return [(case, _state(actor, case, readers.get(case.pk))) for case in cases]


def reviewers(actor: Actor) -> QuerySet[User]:
    """The people whose answers the person may know of: those who answered in a stream of theirs."""
    theirs = Verdict.objects.filter(reviewer=OuterRef("pk"), review__stream__in=Stream.objects.visible_to(actor))
    return User.objects.filter(Exists(theirs)).order_by("first_name", "email", "pk")


def models(actor: Actor) -> QuerySet[ModelVersion]:
    """The model versions of the person's streams."""
    versions = ModelVersion.objects.filter(stream__in=Stream.objects.visible_to(actor)).select_related("stream")
    return versions.order_by("stream__name", "-number", "pk")


def _matching(actor: Actor, search: Search) -> QuerySet[Decision]:
    streams = list(Stream.objects.visible_to(actor).select_related("team"))
    chosen = [stream for stream in streams if search.stream in ("", stream.slug)]
    found = Decision.objects.filter(case__stream__in=[stream.pk for stream in chosen])
    exact = {"model_version": search.model, "answer": search.answer, "source": search.source}
    found = found.filter(**{name: value for name, value in exact.items() if value})
    if search.reason in AUTOMATIC:
        found = found.filter(prediction__reasons__contains=[{"code": search.reason}])
    elif search.reason:
        found = found.filter(Exists(Review.objects.with_reason(search.reason).filter(case=OuterRef("case"))))
    if search.reviewer is not None:
        found = found.filter(_answered_by(search.reviewer))
    return found.filter(~Exists(_unseen(actor, chosen)))


def _answered_by(reviewer: User) -> Q:
    """The cases of somebody who answered few, one by one: the planner takes everybody for an average reviewer."""
    theirs = Verdict.objects.filter(reviewer=reviewer).values("review__case")
    few = list(theirs.values_list("review__case", flat=True)[: FEW + 1])
    return Q(case__in=few) if len(few) <= FEW else Q(case__in=theirs)


def _unseen(actor: Actor, streams: Sequence[Stream]) -> QuerySet[Review]:
    """The open reviews that forbid the person to know what was decided on their case."""
    unseen = Review.objects.open().filter(case=OuterRef("case")).exclude(mode=Stream.Mode.ASSISTED)
    overseen = [stream.pk for stream in streams if oversees(actor, stream)]
    return unseen.filter(~Q(stream__in=overseen) | Q(claimed_by=actor.user))


def _page(matching: QuerySet[Decision], search: Search) -> Found:
    if search.before is not None:
        matching = matching.filter(pk__lt=search.before)
    ids = _ids(matching.order_by("-pk")[: SHOWN + 1])
    return Found(_read(ids[:SHOWN]), older=ids[SHOWN - 1] if len(ids) > SHOWN else None)


def _around(matching: QuerySet[Decision], moment: datetime) -> Found:
    """As many decisions before a moment as from it on; each half is read off the index, however many there are."""
    half = SHOWN // 2
    before = matching.filter(pk__lt=_id_at(moment + SKEW), decided_at__lt=moment).order_by("-pk")[: half + 1]
    after = matching.filter(pk__gte=_id_at(moment - SKEW), decided_at__gte=moment).order_by("pk")[: half + 1]
    earlier, later = _ids(before), _ids(after)
    shown = sorted(_read([*earlier[:half], *later[:half]]), key=lambda one: (one.decided_at, one.pk))
    return Found(
        shown,
        earlier=shown[0].decided_at if len(earlier) > half else None,
        later=shown[-1].decided_at if len(later) > half else None,
    )


def _ids(matching: QuerySet[Decision]) -> list[UUID]:
    return list(matching.values_list("pk", flat=True))


def _read(ids: Sequence[UUID]) -> list[Decision]:
    """The decisions with what a row shows of them, in the order of the ids: looked for first, read afterwards."""
    rows = Decision.objects.select_related(
        "case__stream", "model_version", "policy_version", "prediction", "superseded_by"
    ).in_bulk(ids)
    return [rows[one] for one in ids]


def _id_at(moment: datetime) -> UUID:
    """The lowest id that a row made at this time can have (UUID version 7: milliseconds come first)."""
    milliseconds = min(max(int(moment.timestamp() * 1000), 0), 2**48 - 1)
    return UUID(int=milliseconds << 80)


def _state(actor: Actor, case: Case, readers: set[UUID | None] | None) -> str:
    is_reader = actor.user is not None and readers is not None and actor.user.pk in readers
    is_told = not readers or (oversees(actor, case.stream) and not is_reader)
    return case.state if is_told else CaseState.IN_REVIEW.value
