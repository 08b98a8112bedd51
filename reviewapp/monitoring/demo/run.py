"""The demo from the first step to the last."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef, QuerySet

from reviewapp import inference_client
from reviewapp.cases.models import Case, Explanation, Review
from reviewapp.domain.states import CaseState
from reviewapp.monitoring.demo import exam, people, proposal, reading, report, streams
from reviewapp.monitoring.demo.keepsakes import Keepsakes
from reviewapp.monitoring.demo.plans import PLANS, Plan
from reviewapp.monitoring.demo.progress import bar, wait_until_done
from reviewapp.monitoring.demo.sending import Upstream
from reviewapp.registry.actions.streams import default_team
from reviewapp.registry.models import ModelVersion, Stream

if TYPE_CHECKING:
    from inference.training.demo import DemoRows

READERS = ("reviewer", "second_reviewer")


@dataclass(frozen=True)
class Done:
    people: Mapping[str, people.Person]
    key: str
    tallies: Mapping[str, report.Tally]


@dataclass(frozen=True)
class _Show:
    """One stream with the rows to send."""

    plan: Plan
    stream: Stream
    rows: "DemoRows"
    truth: Mapping[str, str] = field(repr=False)


def run(url: str, *, say: Callable[[str], None]) -> Done:
    """Fill the installation at `url`.

    1. People, streams, models, policies and a first exam, through the same actions as in the browser.
    2. Rows that no model has seen, through the REST API.
    3. Once the workers have scored and explained them, a part of the answers that people give.
    4. A change of policy with its back-test.
    """
    kept = Keepsakes.of_installation()
    Upstream(url, "").check_ready()
    team = default_team()
    cast = people.ensure(team, kept)
    shows = [_open(plan, cast, say) for plan in PLANS]
    key = people.ensure_key(team, kept, streams=[show.stream for show in shows])
    _send(shows, Upstream(url, key))
    _wait(shows)
    for show in shows:
        reading.read_part(show.stream, truth=show.truth, readers=[cast[name] for name in READERS])
        exam.look(show.stream)
        proposal.ensure(show.plan, show.stream, by=cast["policy_owner"])
    return Done(cast, key, {show.stream.slug: report.count(show.stream, show.truth) for show in shows})


def _open(plan: Plan, cast: Mapping[str, people.Person], say: Callable[[str], None]) -> _Show:
    def train() -> Mapping[str, bytes]:
        say(f"Training the model of {plan.slug} …")
        return inference_client.demo_bundle(plan.slug).files

    stream = streams.ensure(plan, team=default_team(), people=cast, train=train)
    exam.ensure(stream, by=cast["model_owner"])
    rows = inference_client.demo_rows(plan.slug)
    return _Show(plan, stream, rows, dict(zip(rows.ids, rows.labels, strict=True)))


def _send(shows: list[_Show], upstream: Upstream) -> None:
    for show in shows:
        cases = [
            {"external_id": external_id, "features": features}
            for external_id, features in zip(show.rows.ids, show.rows.rows, strict=True)
        ]
        with bar(f"Sending {show.stream.slug}", len(cases)) as shown:
            upstream.send(show.stream.slug, cases, sent=shown.update)


def _wait(shows: list[_Show]) -> None:
    for show in shows:
        wait_until_done(
            f"Scoring {show.stream.slug}", total=len(show.truth), left=partial(_unscored, show), by="inference"
        )
    for show in shows:
        wait_until_done(
            f"Explaining {show.stream.slug}",
            total=_looked_at(show).count(),
            left=partial(_unexplained, show),
            by="explain",
        )


def _unscored(show: _Show) -> int:
    cases = Case.objects.filter(stream=show.stream, external_id__in=list(show.truth))
    return cases.filter(state=CaseState.SCORING).count()


def _looked_at(show: _Show) -> QuerySet[Review]:
    return Review.objects.open().filter(
        stream=show.stream,
        case__external_id__in=list(show.truth),
        prediction__model_version__kind=ModelVersion.Kind.BUNDLE,
    )


def _unexplained(show: _Show) -> int:
    explained = Explanation.objects.filter(prediction=OuterRef("prediction"))
    return _looked_at(show).filter(~Exists(explained)).count()
