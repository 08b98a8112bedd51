"""The similar settled cases of a case, for people: what they were settled as, and why they are similar."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from reviewapp import inference_client
from reviewapp.cases.models import Case, Prediction
from reviewapp.cases.similar import WANTED, Filters, Similar, SimilarCase, similar
from reviewapp.web.subjects import Display, Picture, written

if TYPE_CHECKING:
    from inference.resemblance import Part, Resemblance

WINDOWS = {"30": "last 30 days", "90": "last 90 days", "365": "last year"}


@dataclass(frozen=True)
class Choice:
    """What the reader asked to look among; a value that is not offered means everything."""

    answer: str = ""
    window: str = ""

    @classmethod
    def read(cls, given: Mapping[str, str], case: Case) -> "Choice":
        answer, window = given.get("answer", ""), given.get("window", "")
        return cls(answer=answer if answer in case.stream.classes else "", window=window if window in WINDOWS else "")

    def filters(self, now: datetime) -> Filters:
        since = now - timedelta(days=int(self.window)) if self.window else None
        return Filters(answer=self.answer or None, since=since)


@dataclass(frozen=True)
class Difference:
    """A column in which a similar case differs: its value there and in the case at hand."""

    label: str
    value: str
    here: str


@dataclass(frozen=True)
class Neighbour:
    """A similar case. `agrees`: columns with their values; `words`: how near it is."""

    case: SimilarCase
    words: str
    picture: Picture | None
    values: Sequence[str]
    agrees: Sequence[tuple[str, str]]
    differs: Sequence[Difference]
    shared_words: Sequence[str]


@dataclass(frozen=True)
class Precedents:
    """`compared`: label and value, in this case, of the features shown with each similar case."""

    cases: Sequence[Neighbour]
    contrast: Sequence[Neighbour]
    compared: Sequence[tuple[str, str]]
    mix: str
    note: str
    classes: Sequence[str]
    choice: Choice
    case_id: Any
    windows: Mapping[str, str]
    is_offered: bool

    @property
    def is_pictured(self) -> bool:
        return bool(self.cases) and self.cases[0].picture is not None


@dataclass(frozen=True)
class Subject:
    """The case as its reader sees it; `top` are the columns that mattered most to the model."""

    case: Case
    prediction: Prediction
    features: Mapping[str, Any]
    display: Display
    top: Sequence[str] = ()


def precedents_on(subject: Subject, *, choice: Choice | None = None, now: datetime | None = None) -> Precedents:
    """The similar cases of a case. `now` is needed where the choice has a window."""
    choice = choice or Choice()
    filters = choice.filters(now) if now is not None else Filters(answer=choice.answer or None)
    found = similar(subject.case, subject.prediction, filters=filters)
    cases = _neighbours(subject, found.cases)
    return Precedents(
        cases=cases,
        contrast=_neighbours(subject, found.contrast),
        compared=[
            (subject.display.full_label(name), written(subject.features.get(name)) or "missing") for name in subject.top
        ],
        mix=_mix_in_words(subject.prediction, found),
        note=_note(found, is_chosen=choice != Choice()),
        classes=subject.case.stream.classes,
        choice=choice,
        case_id=subject.case.pk,
        windows=WINDOWS,
        is_offered=found.has_vector and (bool(cases) or choice != Choice()),
    )


def _neighbours(subject: Subject, found: Sequence[SimilarCase]) -> list[Neighbour]:
    bundle = subject.prediction.model_version.bundle
    if not found or bundle is None:
        return []
    words = inference_client.distances_in_words(bundle.manifest, [one.distance for one in found])
    others = [one.features for one in found]
    alike = inference_client.resemblances(bundle.manifest, subject.features, others)
    return [_neighbour(subject, *each) for each in zip(found, words, alike, strict=True)]


def _neighbour(subject: Subject, one: SimilarCase, words: str, alike: "Resemblance") -> Neighbour:
    display = subject.display
    picture = display.picture(one.features, f"similar case {one.external_id}, settled as {one.answer}")
    # The points of a picture are compared by looking at it.
    agree: Sequence[Part] = () if picture else alike.agree
    differ: Sequence[Part] = () if picture else alike.differ
    return Neighbour(
        case=one,
        words=words,
        picture=picture,
        values=[written(one.features.get(name)) or "missing" for name in subject.top],
        agrees=[(display.full_label(part.column), written(part.other) or "missing") for part in agree],
        differs=[
            Difference(
                display.full_label(part.column), written(part.other) or "missing", written(part.value) or "missing"
            )
            for part in differ
        ],
        shared_words=alike.words,
    )


def _mix_in_words(prediction: Prediction, found: Similar) -> str:
    """What the similar cases were settled as: numbers, and how near the nearest of each lies."""
    bundle = prediction.model_version.bundle
    if not found.mix or bundle is None:
        return ""
    words = inference_client.distances_in_words(bundle.manifest, [share.nearest for share in found.mix])
    total = len(found.cases)
    parts = [
        f"{share.number} of {total} settled as {share.answer}, the nearest {said}"
        for share, said in zip(found.mix, words, strict=True)
    ]
    return "; ".join(parts) + "."


def _note(found: Similar, *, is_chosen: bool) -> str:
    """Why there are fewer than usual, or none."""
    number = len(found.cases)
    if number >= WANTED:
        return ""
    if is_chosen:
        few = (
            f"Not more than {number} of the settled cases fit this choice."
            if number
            else "No settled case fits this choice."
        )
    elif number:
        few = f"Only {number} of {WANTED}: no more cases have been settled near this one yet."
    else:
        few = "No case has been settled yet that could be compared with this one."
    if found.is_building:
        few += " Earlier cases are still being placed for this model; more may turn up."
    return few
