import pytest

from reviewapp.accounts.models import User
from reviewapp.cases import permissions
from reviewapp.cases.models import Case
from reviewapp.domain.errors import Forbidden, NotFound
from reviewapp.registry.actions import clients
from reviewapp.registry.actors import SYSTEM, Actor
from reviewapp.registry.models import Role, Stream
from tests.factories import cases, reviews, streams, teams
from tests.people import acting


@pytest.mark.parametrize(
    ("role", "reviews_", "oversees"),
    [
        (Role.REVIEWER, True, False),
        (Role.LEAD, True, True),
        (Role.POLICY_OWNER, False, True),
        (Role.MODEL_OWNER, False, True),
        (Role.AUDITOR, False, True),
        (Role.INTEGRATOR, False, False),
    ],
)
@pytest.mark.parametrize("whole_team", [True, False], ids=["team", "stream"])
def test_what_each_role_may(bare_stream: Stream, role: Role, reviews_: bool, oversees: bool, whole_team: bool) -> None:
    person = acting(teams.member(role=role, stream=None if whole_team else bare_stream))
    elsewhere = streams.bare()

    assert permissions.can_review(person, bare_stream) is reviews_
    assert permissions.oversees(person, bare_stream) is oversees
    assert permissions.can_review(person, elsewhere) is (reviews_ and whole_team)
    assert permissions.oversees(person, elsewhere) is (oversees and whole_team)


def test_a_role_in_one_team_is_none_in_another(bare_stream: Stream, outsider: User) -> None:
    person = acting(outsider)

    assert not permissions.can_review(person, bare_stream)
    assert not permissions.oversees(person, bare_stream)


def test_the_system_does_not_review(bare_stream: Stream) -> None:
    with pytest.raises(Forbidden, match="Only a person"):
        permissions.check_review(SYSTEM, bare_stream)


def test_of_a_foreign_review_not_even_the_existence_is_known(stream: Stream, rosa: User, outsider: User) -> None:
    review = reviews.waiting(stream)

    assert permissions.visible_review(acting(rosa), review.pk) == review
    with pytest.raises(NotFound):
        permissions.visible_review(acting(outsider), review.pk)
    with pytest.raises(NotFound):
        permissions.visible_review(Actor("anonymous", ""), review.pk)


class TestHiddenEvidence:
    """Nobody who may yet have to answer unseen is shown what the model said."""

    @pytest.fixture
    def case(self, db: None) -> Case:
        """An automatic decision whose blind audit is open."""
        return cases.decided(streams.ready(policy={"audit_rate": 1.0}))

    def test_a_reviewer_sees_nothing_of_the_model_while_an_audit_is_open(self, case: Case, rosa: User) -> None:
        with pytest.raises(Forbidden, match="hidden until") as refusal:
            permissions.check_sees_model(acting(rosa), case)

        assert refusal.value.code == "evidence_hidden"

    def test_after_the_audit_everybody_sees_it(self, case: Case, rosa: User, ravi: User) -> None:
        reviews.answer(reviews.claimed(case.stream, rosa, case), rosa)

        permissions.check_sees_model(acting(rosa), case)
        permissions.check_sees_model(acting(ravi), case)

    @pytest.mark.parametrize("role", [Role.AUDITOR, Role.POLICY_OWNER, Role.MODEL_OWNER, Role.LEAD])
    def test_who_oversees_the_stream_sees_it(self, case: Case, role: Role) -> None:
        permissions.check_sees_model(acting(teams.member(role=role)), case)

    def test_a_lead_who_claimed_the_audit_does_not(self, case: Case, lead: User) -> None:
        reviews.claimed(case.stream, lead, case)

        assert permissions.hides_model(acting(lead), case)

    def test_upstream_and_the_system_see_it(self, case: Case) -> None:
        key, _ = clients.create_key(team=case.stream.team, client_name="c", scopes=["cases:read"], by=SYSTEM)

        assert not permissions.hides_model(Actor.for_key(key), case)
        assert not permissions.hides_model(SYSTEM, case)

    def test_in_an_assisted_review_there_is_nothing_to_hide(self, stream: Stream, rosa: User) -> None:
        assert not permissions.hides_model(acting(rosa), cases.in_review(stream))

    def test_commit_then_reveal_shows_it_to_who_has_committed(self, db: None, rosa: User, ravi: User) -> None:
        stream = streams.ready(review_mode="commit_then_reveal")
        review = reviews.claimed(stream, rosa)
        assert permissions.hides_model(acting(rosa), review.case)

        reviews.answer(review, rosa)

        assert not permissions.hides_model(acting(rosa), review.case)
        assert permissions.may_see_evidence(acting(rosa), review)
        assert permissions.hides_model(acting(ravi), review.case)

    def test_a_blind_review_hides_it_until_it_is_closed(self, case: Case, rosa: User) -> None:
        review = reviews.claimed(case.stream, rosa, case)
        assert not permissions.may_see_evidence(acting(rosa), review)

        reviews.answer(review, rosa)

        review.refresh_from_db()
        assert permissions.may_see_evidence(acting(rosa), review)
