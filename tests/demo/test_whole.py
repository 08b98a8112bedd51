"""The demo as a newcomer meets it: one command, from nothing to a queue."""

import json
import stat

import pytest
import requests

from tests.demo.installation import PATIENCE, Demo

pytestmark = pytest.mark.timeout(2 * PATIENCE)


def test_the_model_acts_alone_where_it_is_right(demo: Demo) -> None:
    # What is promised of a tumour, and what nobody promises of a digit.
    least = {"tumour-triage": 1 - 0.08, "digit-reading": 0.98}
    for slug, tally in demo.summary["streams"].items():
        assert tally["auto_accuracy"] > least[slug], slug
        assert tally["review"] > 0, slug
        assert tally["audit"] > 0, slug
    digits = demo.summary["streams"]["digit-reading"]
    assert digits["auto"] >= digits["sent"] / 2


def test_one_class_has_earned_its_promise_and_one_has_not(demo: Demo) -> None:
    found = {slug: tally["certificates"] for slug, tally in demo.summary["streams"].items()}

    assert found == {"tumour-triage": {"benign": "certified", "malignant": "unproven"}, "digit-reading": {}}


def test_a_change_of_policy_waits_for_approval_with_its_back_test(demo: Demo) -> None:
    key = {"Authorization": f"Bearer {demo.summary['api_key']}"}

    found = requests.get(f"{demo.url}api/v1/streams/digit-reading/policies", headers=key, timeout=30).json()["items"]

    assert {version["number"]: version["state"] for version in found} == {1: "active", 2: "proposed"}
    assert next(version for version in found if version["number"] == 2)["back_test"]


def test_the_table_printed_first_says_the_same(demo: Demo) -> None:
    for slug, tally in demo.summary["streams"].items():
        row = demo.wait_for_line(rf"^{slug} ").split()
        assert row[1:5] == [str(tally[name]) for name in ("sent", "auto", "review", "audit")]


def test_a_second_run_changes_nothing_and_prints_the_same(demo: Demo) -> None:
    key = {"Authorization": f"Bearer {demo.summary['api_key']}"}
    feed = f"{demo.url}api/v1/streams/digit-reading/labels"
    summary, before = demo.again(), requests.get(feed, headers=key, timeout=30).content

    assert demo.again() == summary
    assert requests.get(feed, headers=key, timeout=30).content == before


def test_an_open_review_has_its_explanation_and_similar_cases(demo: Demo) -> None:
    key = {"Authorization": f"Bearer {demo.summary['api_key']}"}
    for slug in demo.summary["streams"]:
        api = f"{demo.url}api/v1"
        found = requests.get(f"{api}/streams/{slug}/cases?state=in_review", headers=key, timeout=30).json()
        case = found["items"][0]

        explanation = requests.get(f"{api}/cases/{case['id']}/explanation", headers=key, timeout=30)
        similar = requests.get(f"{api}/cases/{case['id']}/similar", headers=key, timeout=30)

        assert explanation.status_code == 200, explanation.text
        assert len(similar.json()["items"]) == 5, similar.text


def test_each_person_has_a_password_that_only_the_owner_of_the_data_can_read(demo: Demo) -> None:
    kept = demo.data / "demo.json"

    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    people = demo.summary["people"]
    assert set(people) == {
        *("reviewer", "second_reviewer", "lead", "policy_owner", "second_policy_owner", "model_owner", "auditor"),
    }
    assert {person["password"] for person in people.values()} <= set(json.loads(kept.read_text()).values())
