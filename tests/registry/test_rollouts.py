import json

import pytest

from reviewapp.domain.canary import Guards
from reviewapp.domain.errors import Conflict, Forbidden, Invalid
from reviewapp.events.models import Event
from reviewapp.registry.actions import rollouts, streams, versions
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Bundle, ModelVersion, Stream, StreamRevision
from tests.factories import bundles
from tests.people import acting


@pytest.fixture
def newer(stream: Stream) -> ModelVersion:
    return bundles.version(stream, "parcels-2")


def parts(stream: Stream) -> dict[str, object]:
    """Who serves, by number."""
    stream.refresh_from_db()
    lineup = rollouts.lineup_of(stream)
    assert lineup is not None
    return {
        "primary": lineup.primary.number,
        "canary": lineup.canary and (lineup.canary.number, lineup.share),
        "shadows": [shadow.number for shadow in lineup.shadows],
        "previous": lineup.previous and lineup.previous.number,
    }


def last_event(stream: Stream) -> tuple[str, dict[str, object]]:
    event = Event.objects.filter(stream_id=str(stream.pk)).order_by("-id").first()
    return event.type, json.loads(bytes(event.payload))


def test_a_promotion_keeps_the_one_before(stream: Stream, newer: ModelVersion) -> None:
    rollout = rollouts.promote(version=newer, by=SYSTEM, reason="Better on tears.")

    assert parts(stream) == {"primary": 2, "canary": None, "shadows": [], "previous": 1}
    assert (rollout.generation, rollout.step) == (2, "promoted")
    type_, payload = last_event(stream)
    assert type_ == "rollout.promoted"
    assert payload == {
        "generation": 2,
        "primary": 2,
        "canary": None,
        "share": None,
        "shadows": [],
        "reason": "Better on tears.",
    }


def test_promoting_the_primary_again_forgets_nothing(stream: Stream, newer: ModelVersion) -> None:
    rollouts.promote(version=newer, by=SYSTEM)
    rollouts.promote(version=newer, by=SYSTEM)

    assert parts(stream)["previous"] == 1


def test_a_canary_starts_beside_the_primary_with_its_guards(stream: Stream, newer: ModelVersion) -> None:
    rollout = rollouts.start_canary(version=newer, share=0.1, by=SYSTEM, guards={"min_cases": 100})

    assert parts(stream) == {"primary": 1, "canary": (2, 0.1), "shadows": [], "previous": None}
    assert rollout.guards == Guards(min_cases=100).to_json()
    assert last_event(stream)[0] == "rollout.canary_started"


def test_a_larger_share_keeps_the_guards(stream: Stream, newer: ModelVersion) -> None:
    rollouts.start_canary(version=newer, share=0.1, by=SYSTEM, guards={"min_cases": 100})

    rollout = rollouts.start_canary(version=newer, share=0.5, by=SYSTEM)

    assert rollout.guards["min_cases"] == 100
    assert parts(stream)["canary"] == (2, 0.5)


def test_a_canary_with_everything_leaves_the_primary_warm(stream: Stream, newer: ModelVersion) -> None:
    rollouts.start_canary(version=newer, share=1, by=SYSTEM)

    assert parts(stream) == {"primary": 1, "canary": (2, 1.0), "shadows": [], "previous": None}


def test_a_promoted_canary_is_the_primary_and_no_canary(stream: Stream, newer: ModelVersion) -> None:
    rollouts.start_canary(version=newer, share=0.1, by=SYSTEM)

    rollout = rollouts.promote(version=newer, by=SYSTEM)

    assert parts(stream) == {"primary": 2, "canary": None, "shadows": [], "previous": 1}
    assert rollout.guards == {}


def test_shadows_come_and_go_and_survive_the_other_steps(stream: Stream, newer: ModelVersion) -> None:
    third = bundles.version(stream, "parcels-3")
    for shadow in (newer, third):
        rollouts.start_shadow(version=shadow, by=SYSTEM)
    assert parts(stream)["shadows"] == [2, 3]

    rollouts.start_canary(version=newer, share=0.2, by=SYSTEM)
    assert parts(stream) == {"primary": 1, "canary": (2, 0.2), "shadows": [3], "previous": None}

    rollouts.promote(version=newer, by=SYSTEM)
    assert parts(stream)["shadows"] == [3]

    rollouts.stop_shadow(version=third, by=SYSTEM)
    assert parts(stream)["shadows"] == []
    assert last_event(stream)[0] == "rollout.shadow_stopped"


def test_a_rollback_first_ends_the_canary_then_the_primary(stream: Stream, newer: ModelVersion) -> None:
    rollouts.promote(version=newer, by=SYSTEM)
    rollouts.start_canary(version=bundles.version(stream, "parcels-3"), share=0.1, by=SYSTEM)

    rollouts.roll_back(stream=stream, by=SYSTEM, reason="Odd answers.")
    assert parts(stream) == {"primary": 2, "canary": None, "shadows": [], "previous": 1}
    assert last_event(stream)[1]["rolled_back"] == 3

    rollouts.roll_back(stream=stream, by=SYSTEM, reason="Still odd.")
    assert parts(stream) == {"primary": 1, "canary": None, "shadows": [], "previous": None}
    type_, payload = last_event(stream)
    assert (type_, payload["rolled_back"], payload["reason"]) == ("rollout.rolled_back", 2, "Still odd.")

    with pytest.raises(Conflict, match="no version to go back to"):
        rollouts.roll_back(stream=stream, by=SYSTEM, reason="More.")


def test_a_rollback_goes_back_further_where_there_is_something(stream: Stream, newer: ModelVersion) -> None:
    third = bundles.version(stream, "parcels-3")
    for version in (newer, third):
        rollouts.promote(version=version, by=SYSTEM)

    rollouts.roll_back(stream=stream, by=SYSTEM, reason="Odd answers.")

    assert parts(stream) == {"primary": 2, "canary": None, "shadows": [], "previous": 1}


def test_the_version_that_failed_is_no_refuge(stream: Stream, newer: ModelVersion) -> None:
    first = versions.primary_of(stream)
    for version in (newer, first, newer):
        rollouts.promote(version=version, by=SYSTEM)

    rollouts.roll_back(stream=stream, by=SYSTEM, reason="Odd answers.")

    assert parts(stream) == {"primary": 1, "canary": None, "shadows": [], "previous": None}


def test_a_rollback_judged_on_another_rollout_is_refused(stream: Stream, newer: ModelVersion) -> None:
    judged = rollouts.start_canary(version=newer, share=0.1, by=SYSTEM)
    rollouts.start_canary(version=newer, share=0.2, by=SYSTEM)

    with pytest.raises(Conflict, match="moved on"):
        rollouts.roll_back(stream=stream, by=SYSTEM, reason="Guards.", unless_moved=judged.pk)


def test_a_rollback_needs_a_reason(stream: Stream, newer: ModelVersion) -> None:
    rollouts.promote(version=newer, by=SYSTEM)

    with pytest.raises(Invalid, match="reason"):
        rollouts.roll_back(stream=stream, by=SYSTEM, reason=" ")


@pytest.mark.parametrize("share", [0, -0.1, 1.1, float("nan")])
def test_a_share_is_a_share(share: float, stream: Stream, newer: ModelVersion) -> None:
    with pytest.raises(Invalid, match="share"):
        rollouts.start_canary(version=newer, share=share, by=SYSTEM)


def test_a_version_has_one_part_only(stream: Stream, newer: ModelVersion) -> None:
    primary = versions.primary_of(stream)
    with pytest.raises(Conflict, match="is the primary"):
        rollouts.start_canary(version=primary, share=0.1, by=SYSTEM)
    with pytest.raises(Conflict, match="is the primary"):
        rollouts.start_shadow(version=primary, by=SYSTEM)
    rollouts.start_canary(version=newer, share=0.1, by=SYSTEM)
    with pytest.raises(Conflict, match="serves already"):
        rollouts.start_shadow(version=newer, by=SYSTEM)
    with pytest.raises(Conflict, match="no shadow"):
        rollouts.stop_shadow(version=newer, by=SYSTEM)


def test_a_model_that_runs_upstream_can_only_be_the_primary(stream: Stream, newer: ModelVersion) -> None:
    upstream = versions.register_external(stream=stream, name="upstream-model", by=SYSTEM)
    with pytest.raises(Conflict, match="runs upstream"):
        rollouts.start_canary(version=upstream, share=0.1, by=SYSTEM)
    with pytest.raises(Conflict, match="runs upstream"):
        rollouts.start_shadow(version=upstream, by=SYSTEM)

    rollouts.promote(version=upstream, by=SYSTEM)

    with pytest.raises(Conflict, match="as a shadow"):
        rollouts.start_canary(version=newer, share=0.1, by=SYSTEM)
    rollouts.start_shadow(version=newer, by=SYSTEM)
    assert parts(stream) == {"primary": 3, "canary": None, "shadows": [2], "previous": 1}


def test_without_a_primary_nothing_serves_beside_it(bare_stream: Stream) -> None:
    version = bundles.version(bare_stream)

    with pytest.raises(Conflict, match="no primary"):
        rollouts.start_canary(version=version, share=0.1, by=SYSTEM)
    assert not rollouts.can_roll_back(rollouts.lineup_of(bare_stream))


def test_an_unchecked_bundle_takes_no_part(stream: Stream, newer: ModelVersion) -> None:
    Bundle.objects.filter(pk=newer.bundle_id).update(state="checking")
    newer = ModelVersion.objects.select_related("stream", "bundle").get(pk=newer.pk)

    for act in (rollouts.promote, rollouts.start_shadow):
        with pytest.raises(Conflict, match="cannot serve"):
            act(version=newer, by=SYSTEM)
    with pytest.raises(Conflict, match="cannot serve"):
        rollouts.start_canary(version=newer, share=0.1, by=SYSTEM)


def test_a_version_that_a_new_contract_has_left_behind_takes_no_part(stream: Stream, newer: ModelVersion) -> None:
    contract = streams.revision_in_force(stream, StreamRevision.Kind.CONTRACT)
    assert contract is not None
    body = {**contract.body, "properties": {**contract.body["properties"], "hole": {"type": "number"}}}
    streams.revise(
        stream=stream,
        kind=StreamRevision.Kind.CONTRACT,
        body={**body, "required": [*contract.body["required"], "hole"]},
        by=SYSTEM,
    )

    for step in (
        lambda: rollouts.promote(version=newer, by=SYSTEM),
        lambda: rollouts.start_canary(version=newer, share=0.1, by=SYSTEM),
        lambda: rollouts.start_shadow(version=newer, by=SYSTEM),
    ):
        with pytest.raises(Invalid, match="lacks the column “hole”") as refused:
            step()
        assert refused.value.code == "columns_differ"
    assert parts(stream)["primary"] == 1


def test_only_a_model_owner_moves_a_rollout(stream: Stream, newer: ModelVersion, lead: object) -> None:
    for act in (rollouts.promote, rollouts.start_shadow, rollouts.stop_shadow):
        with pytest.raises(Forbidden):
            act(version=newer, by=acting(lead))
    with pytest.raises(Forbidden):
        rollouts.roll_back(stream=stream, by=acting(lead), reason="Mine.")
