from collections.abc import Mapping
from dataclasses import replace

import pytest

from reviewapp.cases.actions import back_testing
from reviewapp.events.models import Event
from reviewapp.monitoring.demo import proposal
from reviewapp.monitoring.demo.people import Person
from reviewapp.monitoring.demo.plans import Proposal
from reviewapp.registry.actions.policies import active_policy
from reviewapp.registry.models import Stream
from tests.demo.conftest import PARCELS
from tests.factories import bundles, cases

pytestmark = pytest.mark.django_db
PLAN = replace(PARCELS, proposal=Proposal(changes={"thresholds": {"intact": 0.8}}, note="Let more act alone."))


@pytest.fixture
def tested(parcels: Stream, monkeypatch: pytest.MonkeyPatch) -> Stream:
    """A stream with a case, and a worker that replays while the demo waits."""
    cases.scored(parcels, bundles.CLEARLY_INTACT)
    monkeypatch.setattr(proposal, "wait_until_done", lambda *_, **__: back_testing.run_waiting())
    return parcels


def test_it_waits_for_the_second_person_with_its_back_test(tested: Stream, cast: Mapping[str, Person]) -> None:
    proposal.ensure(PLAN, tested, by=cast["policy_owner"])

    second = tested.policy_versions.get(number=2)
    assert (second.state, second.note) == ("proposed", "Let more act alone.")
    assert second.back_test_id is not None
    assert active_policy(tested).number == 1


def test_a_second_run_changes_nothing(tested: Stream, cast: Mapping[str, Person]) -> None:
    proposal.ensure(PLAN, tested, by=cast["policy_owner"])
    before = Event.objects.count()

    proposal.ensure(PLAN, tested, by=cast["policy_owner"])

    assert Event.objects.count() == before


def test_a_run_that_was_cut_short_before_the_back_test_goes_on(
    tested: Stream, cast: Mapping[str, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as cut:
        cut.setattr(back_testing, "start", lambda **_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            proposal.ensure(PLAN, tested, by=cast["policy_owner"])

    proposal.ensure(PLAN, tested, by=cast["policy_owner"])

    assert tested.policy_versions.get(number=2).state == "proposed"
