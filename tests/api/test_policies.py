"""Policy versions and their back-tests over REST."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from reviewapp.accounts.models import User
from reviewapp.cases.actions import back_testing
from reviewapp.registry.models import PolicyVersion, Role, Stream
from tests.api.calling import Caller
from tests.factories import bundles, cases, policies, teams

pytestmark = pytest.mark.django_db
BODY = {"thresholds": {"intact": 0.97}, "audit_rates": {"intact": 0.1}}
WHY = {"untested_because": "Nothing was stored yet to test it on."}


@pytest.fixture
def as_person(person: Callable[[User], Caller]) -> Callable[[User], Caller]:
    """A caller that has been given a CSRF token by a page, as a browser has."""

    def sign_in(user: User) -> Caller:
        caller = person(user)
        caller.client.cookies["csrftoken"] = "c" * 32
        return caller

    return sign_in


@pytest.fixture
def path(stream: Stream) -> str:
    return f"streams/{stream.slug}/policies"


def test_a_version_goes_its_way_with_two_people(
    api: Caller, path: str, stream: Stream, policy_owner: User, as_person: Callable[[User], Caller]
) -> None:
    drafted = api.post(path, {"body": BODY, "note": "Stricter."})
    assert (drafted.status_code, drafted["Location"]) == (201, f"/api/v1/{path}/2")
    draft = drafted.json()
    assert (draft["state"], draft["compared_with"], draft["note"]) == ("draft", 1, "Stricter.")
    assert "Threshold of “intact”: 0.9 by hand → 0.97 by hand." in [one["sentence"] for one in draft["changes"]]

    edited = api.patch(f"{path}/2", {"body": {**BODY, "novelty_floor": 0.01}}).json()
    assert (edited["body"]["novelty_floor"], edited["note"]) == (0.01, "Stricter.")
    refused = api.post(f"{path}/2/activate")
    assert (refused.status_code, refused.json()["code"]) == (409, "approval_missing")
    proposed = api.post(f"{path}/2/propose", WHY).json()
    assert (proposed["state"], proposed["untested_because"]) == ("proposed", WHY["untested_because"])
    by_key = api.post(f"{path}/2/approve")
    assert (by_key.status_code, by_key.json()["code"]) == (403, "person_required")

    approved = as_person(policy_owner).post(f"{path}/2/approve").json()
    assert (approved["state"], approved["approved_by"]) == ("approved", f"user:{policy_owner.pk}")
    active = api.post(f"{path}/2/activate").json()
    assert (active["state"], active["sole_owner"], active["unapproved_because"]) == ("active", False, "")
    restored = api.post(f"{path}/2/roll-back", {"reason": "Too strict."}).json()
    assert (restored["number"], restored["restores"], restored["state"]) == (3, 1, "active")
    assert restored["unapproved_because"] == "rolled_back"
    assert api.get(f"streams/{stream.slug}").json()["policy_version"] == 3


def test_a_version_is_sent_back_with_the_reason(api: Caller, path: str) -> None:
    api.post(path, {"body": BODY})
    api.post(f"{path}/2/propose", WHY)

    missing = api.post(f"{path}/2/send-back", {})
    back = api.post(f"{path}/2/send-back", {"reason": "Say more."}).json()

    assert missing.status_code == 422
    assert (back["state"], back["sent_back_because"], back["proposed_by"]) == ("draft", "Say more.", None)


def test_where_nobody_else_owns_policies_that_is_said(
    path: str, policy_owner: User, as_person: Callable[[User], Caller]
) -> None:
    owner = as_person(policy_owner)
    owner.post(path, {"body": BODY})

    active = owner.post(f"{path}/2/activate").json()

    assert (active["approved_by"], active["sole_owner"]) == (None, True)


def test_every_fault_of_a_body_is_named(api: Caller, path: str) -> None:
    body = {"thresholds": {"lost": 0.9}, "promises": {"intact": {"target_error": 0, "confidence": 0.95}}}

    refused = api.post(path, {"body": body})

    assert (refused.status_code, refused.json()["code"]) == (422, "policy_malformed")
    assert [error["field"] for error in refused.json()["errors"]] == [
        *("thresholds.lost", "promises.intact.target_error"),
    ]
    assert api.post(path, {"body": [BODY]}).status_code == 422
    assert api.get(f"{path}/2").json()["code"] == "policy_unknown"


def test_versions_are_listed_newest_first(api: Caller, path: str, stream: Stream) -> None:
    policies.active(stream, threshold=0.95)

    first = api.get(f"{path}?limit=1").json()
    rest = api.get(f"{path}?cursor={first['next']}").json()

    assert [(one["number"], one["state"]) for one in first["items"] + rest["items"]] == [(2, "active"), (1, "retired")]
    assert first["items"][0]["unapproved_because"] == "system"


def test_the_same_call_twice_drafts_once(api: Caller, path: str, stream: Stream) -> None:
    for _ in range(2):
        api.post(path, {"body": BODY}, Idempotency_Key="draft-7")

    assert PolicyVersion.objects.filter(stream=stream).count() == 2


def test_only_policy_owners_change_policies(path: str, rosa: User, as_person: Callable[[User], Caller]) -> None:
    reviewer = as_person(rosa)

    assert reviewer.get(path).status_code == 200
    assert reviewer.post(path, {"body": BODY}).json()["code"] == "role_required"
    assert reviewer.post(f"{path}/1/roll-back", {"reason": "No."}).json()["code"] == "role_required"


class TestBackTests:
    @pytest.fixture
    def tested(self, stream: Stream) -> str:
        """The path of a draft under which nothing acts alone, on a stream with two automatic decisions."""
        cases.decided(stream)
        cases.scored(stream, bundles.CLEARLY_DAMAGED)
        policies.draft(stream, thresholds={})
        return f"streams/{stream.slug}/policies/2"

    def test_a_back_test_is_followed_to_its_result(self, api: Caller, tested: str, stream: Stream) -> None:
        started = api.post(f"{tested}/back-tests")
        assert started.status_code == 202
        waiting = api.get(started["Location"]).json()
        assert (waiting["state"], waiting["progress"], waiting["result"]) == (
            *("waiting", {"replayed": 0, "cases": 2}, None),
        )

        back_testing.run_waiting()

        done = api.get(started["Location"]).json()
        assert (done["state"], done["is_current"], done["progress"]) == ("done", True, None)
        assert done["result"]["changed"] == {"to_automatic": 0, "to_people": 2, "listed": 2}
        assert {one["source"] for one in done["result"]["thresholds"]} == {"neither threshold nor promise"}
        first = api.get(f"{started['Location']}/changes?limit=1").json()
        rest = api.get(f"{started['Location']}/changes?cursor={first['next']}").json()
        assert [(one["class"], one["before"], one["after"]) for one in first["items"] + rest["items"]] == [
            ("intact", "auto", "review"),
            ("damaged", "auto", "review"),
        ]
        narrowed = api.get(f"{started['Location']}/changes?class=damaged&to=review").json()
        assert [one["reason"] for one in narrowed["items"]] == ["no_threshold"]
        assert api.get(f"{started['Location']}/changes?class=lost").json()["code"] == "query_invalid"
        assert [one["id"] for one in api.get(f"{tested}/back-tests").json()["items"]] == [done["id"]]
        assert api.post(f"{tested}/propose").json()["back_test"] == done["id"]

    def test_it_is_cancelled(self, api: Caller, tested: str) -> None:
        started = api.post(f"{tested}/back-tests")

        cancelled = api.post(f"{started['Location']}/cancel").json()

        assert (cancelled["state"], cancelled["failure"], cancelled["result"]) == ("failed", "It was cancelled.", None)

    def test_a_period_without_cases_is_refused(self, api: Caller, tested: str) -> None:
        long_ago = timezone.now() - timedelta(days=99)
        period = {
            "period_start": long_ago.isoformat(),
            "period_end": (long_ago + timedelta(days=1)).isoformat(),
        }

        refused = api.post(f"{tested}/back-tests", period)

        assert (refused.status_code, refused.json()["code"]) == (422, "period_invalid")
        assert "No case of" in refused.json()["detail"]

    def test_reviewers_do_not_see_what_the_model_said(
        self, api: Caller, tested: str, stream: Stream, rosa: User, as_person: Callable[[User], Caller]
    ) -> None:
        location = api.post(f"{tested}/back-tests")["Location"]

        for path in (location, f"{location}/changes", f"{tested}/back-tests"):
            assert as_person(rosa).get(path).json()["code"] == "role_required"
        elsewhere = teams.member("Erin Elsewhere", role=Role.LEAD, team=teams.team("another-team"))
        assert as_person(elsewhere).get(location).status_code == 404
