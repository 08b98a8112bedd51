from collections.abc import Mapping

import pytest

from reviewapp.events.models import Event
from reviewapp.monitoring.demo import streams
from reviewapp.monitoring.demo.people import Person
from reviewapp.registry.actions.policies import active_policy
from reviewapp.registry.actions.streams import default_team, revise, revision_in_force
from reviewapp.registry.actions.versions import primary_of
from reviewapp.registry.models import Stream, StreamRevision
from tests.demo.conftest import PARCELS
from tests.factories import bundles


def _never() -> Mapping[str, bytes]:
    pytest.fail("a stream that serves needs no training")


def _body(stream: Stream, kind: str) -> object:
    revision = revision_in_force(stream, kind)
    return revision and revision.body


def test_the_stream_serves_and_is_gated(parcels: Stream) -> None:
    primary, policy = primary_of(parcels), active_policy(parcels)

    assert primary is not None
    assert primary.name == "parcels"
    assert policy is not None
    assert policy.body == PARCELS.policy
    assert _body(parcels, StreamRevision.Kind.DISPLAY) == {"kind": "facts", "columns": ["dent", "tear"]}
    assert _body(parcels, StreamRevision.Kind.GUIDELINE) == {"text": PARCELS.guideline}


def test_each_step_is_done_by_the_person_whose_part_it_is(parcels: Stream, cast: Mapping[str, Person]) -> None:
    actors = dict(Event.objects.filter(stream_id=parcels.pk).values_list("type", "actor"))

    assert actors["rollout.promoted"] == str(cast["model_owner"].actor)
    assert actors["policy.proposed"] == str(cast["policy_owner"].actor)
    assert actors["policy.approved"] == str(cast["second_policy_owner"].actor)
    assert actors["policy.activated"] == str(cast["policy_owner"].actor)


def test_a_second_run_changes_nothing(parcels: Stream, cast: Mapping[str, Person]) -> None:
    before = list(Event.objects.order_by("pk").values_list("pk", flat=True))

    again = streams.ensure(PARCELS, team=default_team(), people=cast, train=_never)

    assert again == parcels
    assert list(Event.objects.order_by("pk").values_list("pk", flat=True)) == before


def test_what_people_have_changed_since_stays(parcels: Stream, cast: Mapping[str, Person]) -> None:
    own = {"text": "Our own words."}
    revise(stream=parcels, kind=StreamRevision.Kind.GUIDELINE, body=own, by=cast["lead"].actor)

    streams.ensure(PARCELS, team=default_team(), people=cast, train=_never)

    assert _body(parcels, StreamRevision.Kind.GUIDELINE) == own


def test_a_run_that_was_cut_short_before_the_rollout_goes_on(cast: Mapping[str, Person]) -> None:
    def _cut() -> Mapping[str, bytes]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        streams.ensure(PARCELS, team=default_team(), people=cast, train=_cut)

    stream = streams.ensure(PARCELS, team=default_team(), people=cast, train=bundles.files)

    assert stream.live_rollout_id is not None
