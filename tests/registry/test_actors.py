import pytest

from reviewapp.accounts.models import User
from reviewapp.domain.errors import Forbidden
from reviewapp.registry.actions import clients
from reviewapp.registry.actors import SYSTEM, Actor, check_role
from reviewapp.registry.models import Role, Stream
from tests.factories import streams, teams
from tests.people import acting


def seen_by(actor: Actor) -> set[Stream]:
    return set(Stream.objects.visible_to(actor))


def test_a_role_in_the_team_shows_all_its_streams_and_one_in_a_stream_only_that(
    bare_stream: Stream, rosa: User, outsider: User
) -> None:
    other = streams.bare()
    narrow = teams.member(role=Role.REVIEWER, stream=other)

    assert seen_by(acting(rosa)) == {bare_stream, other}
    assert seen_by(acting(narrow)) == {other}
    assert seen_by(acting(outsider)) == set()


def test_an_administrator_and_the_system_see_everything(bare_stream: Stream, administrator: User) -> None:
    assert seen_by(acting(administrator)) == seen_by(SYSTEM) == {bare_stream}


def test_who_was_deactivated_is_nobody(bare_stream: Stream, rosa: User, administrator: User) -> None:
    for person in (rosa, administrator):
        person.is_active = False

        actor = acting(person)

        assert (actor.kind, seen_by(actor)) == ("anonymous", set())


def test_a_key_sees_its_team_or_the_streams_it_names(bare_stream: Stream) -> None:
    second, foreign = streams.bare(), streams.bare(team=teams.team())
    wide, _ = clients.create_key(team=bare_stream.team, client_name="w", scopes=["cases:read"], by=SYSTEM)
    narrow, _ = clients.create_key(
        team=bare_stream.team, client_name="n", scopes=["cases:read"], by=SYSTEM, streams=[second]
    )

    assert seen_by(Actor.for_key(wide)) == {bare_stream, second}
    assert seen_by(Actor.for_key(narrow)) == {second}
    assert foreign not in seen_by(Actor.for_key(wide))


def test_a_key_has_the_scopes_it_was_given(bare_stream: Stream) -> None:
    key, _ = clients.create_key(team=bare_stream.team, client_name="c", scopes=["cases:read"], by=SYSTEM)

    assert Actor.for_key(key).has_scope("cases:read")
    assert not Actor.for_key(key).has_scope("cases:write")
    assert not SYSTEM.has_scope("cases:read")


def test_an_actor_is_written_as_kind_and_id(rosa: User) -> None:
    assert str(acting(rosa)) == f"user:{rosa.pk}"
    assert str(SYSTEM) == "system"


def test_a_missing_role_is_told_by_name(bare_stream: Stream, rosa: User) -> None:
    with pytest.raises(Forbidden, match=f"You need to be lead or auditor in “{bare_stream.name}”") as refusal:
        check_role(acting(rosa), bare_stream, Role.LEAD, Role.AUDITOR)

    assert refusal.value.code == "role_required"


def test_a_role_for_one_stream_is_no_role_for_the_team(bare_stream: Stream, rosa: User) -> None:
    narrow = teams.member(role=Role.REVIEWER, stream=bare_stream)

    assert acting(rosa).has_team_role(bare_stream.team_id, [Role.REVIEWER])
    assert not acting(narrow).has_team_role(bare_stream.team_id, [Role.REVIEWER])
    assert acting(narrow).team_ids == {bare_stream.team_id}
