import pytest
from django.core.exceptions import ValidationError

from reviewapp.accounts.models import User
from reviewapp.domain.errors import Forbidden, Invalid
from reviewapp.events.models import Event
from reviewapp.registry.actions import streams as actions
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.factories import streams, teams
from tests.people import acting


def test_a_stream_is_opened_with_an_event(db: None) -> None:
    stream = streams.bare(slug="parcels", review_mode="blind")

    assert (str(stream), stream.classes, stream.review_mode) == ("parcels", ["intact", "damaged"], "blind")
    event = Event.objects.get(type="stream.created")
    assert (event.stream_id, event.team_id) == (str(stream.pk), str(stream.team_id))


@pytest.mark.parametrize(
    "fields",
    [{"slug": "no spaces"}, {"review_mode": "hasty"}, {"blind_share": 1.5}, {"classes": ["only"]}],
    ids=lambda fields: next(iter(fields)),
)
def test_a_malformed_stream_is_refused(db: None, fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        streams.bare(**fields)

    assert not Stream.objects.exists()


def test_a_slug_is_unique_within_its_team_only(db: None) -> None:
    streams.bare(slug="parcels")
    streams.bare(slug="parcels", team=teams.team())

    with pytest.raises(ValidationError):
        streams.bare(slug="parcels")


def test_a_revision_is_numbered_and_the_same_content_is_no_new_one(bare_stream: Stream, lead: User) -> None:
    first = actions.revise(stream=bare_stream, kind="guideline", body={"text": "Look."}, by=acting(lead))
    same = actions.revise(stream=bare_stream, kind="guideline", body={"text": "Look."}, by=acting(lead))
    second = actions.revise(stream=bare_stream, kind="guideline", body={"text": "Look twice."}, by=acting(lead))

    assert (first, first.number, second.number) == (same, 1, 2)
    assert actions.revision_in_force(bare_stream, "guideline") == second
    assert second.created_by == f"user:{lead.pk}"


def test_an_unknown_kind_of_revision_is_refused(bare_stream: Stream) -> None:
    with pytest.raises(Invalid, match="no kind of revision"):
        actions.revise(stream=bare_stream, kind="poem", body={}, by=SYSTEM)


def test_a_reviewer_does_not_revise(bare_stream: Stream, rosa: User) -> None:
    with pytest.raises(Forbidden):
        actions.revise(stream=bare_stream, kind="display", body={}, by=acting(rosa))


def test_there_is_one_default_team(db: None) -> None:
    assert actions.default_team() == actions.default_team()
