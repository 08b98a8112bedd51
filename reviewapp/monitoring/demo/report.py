"""What became of the demo's cases, counted in the database."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from reviewapp.cases.models import Case, Decision, Review
from reviewapp.gating.models import Certificate
from reviewapp.monitoring.demo.people import Person
from reviewapp.registry.models import Stream

HEADINGS = ("stream", "sent", "auto", "review", "audit", "auto accuracy", "certified")
NOTE = (
    "review: still open, audits among them. auto accuracy: automatic decisions that equal the true label. "
    "certified: of the classes with a promise."
)


@dataclass(frozen=True)
class Tally:
    """`review` counts open reviews; `auto_accuracy` is the share of automatic decisions that are right.

    certificates: class → state, of the classes that the policy promises something of.
    """

    sent: int
    auto: int
    review: int
    audit: int
    auto_accuracy: float | None
    certificates: Mapping[str, str] = field(default_factory=dict)


def count(stream: Stream, truth: Mapping[str, str]) -> Tally:
    ids = list(truth)
    cases = Case.objects.filter(stream=stream, external_id__in=ids)
    reviews = Review.objects.filter(stream=stream, case__external_id__in=ids)
    automatic = list(
        Decision.objects.filter(case__in=cases, source=Decision.Source.AUTO, sequence=1).values_list(
            "case__external_id", "answer"
        )
    )
    right = sum(truth[external_id] == answer for external_id, answer in automatic)
    return Tally(
        sent=cases.count(),
        auto=len(automatic),
        review=reviews.open().count(),
        audit=reviews.filter(kind=Review.Kind.AUDIT, round=1).count(),
        auto_accuracy=round(right / len(automatic), 4) if automatic else None,
        certificates=dict(
            Certificate.objects.filter(stream=stream, voided_at__isnull=True)
            .order_by("scope")
            .values_list("scope", "state")
        ),
    )


def table(tallies: Mapping[str, Tally]) -> str:
    rows = [HEADINGS, *(_row(slug, tally) for slug, tally in tallies.items())]
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEADINGS))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    return "\n".join([lines[0], "  ".join("─" * width for width in widths), *lines[1:], "", NOTE])


def _row(slug: str, tally: Tally) -> tuple[str, ...]:
    accuracy = "–" if tally.auto_accuracy is None else f"{tally.auto_accuracy:.1%}"
    promised = tally.certificates.values()
    certified = f"{sum(state == Certificate.State.CERTIFIED for state in promised)} of {len(promised)}"
    counts = (str(tally.sent), str(tally.auto), str(tally.review), str(tally.audit))
    return (slug, *counts, accuracy, certified if promised else "–")


def sign_in(url: str, people: Mapping[str, Person], key: str) -> str:
    """Who can sign in, with what, and the key for REST."""
    width = max(len(person.user.email) for person in people.values())
    lines = [
        f"  {person.user.email:<{width}}  {person.password}  {name.replace('_', ' ')}"
        for name, person in people.items()
    ]
    return "\n".join([f"Sign in at {url}", *lines, f"API key: {key}"])


def as_json(url: str, people: Mapping[str, Person], key: str, *, tallies: Mapping[str, Tally]) -> dict[str, Any]:
    return {
        "url": url,
        "api_key": key,
        "people": {name: {"email": person.user.email, "password": person.password} for name, person in people.items()},
        "streams": {slug: asdict(tally) for slug, tally in tallies.items()},
    }
