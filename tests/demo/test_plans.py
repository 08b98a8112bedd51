import pytest

from inference.manifest import Column
from inference.training.demo import demo_rows
from reviewapp.monitoring.demo.plans import DIGIT_READING, PLANS, TUMOUR_TRIAGE, Plan
from reviewapp.registry.models import Stream
from reviewapp.registry.policies import check_body


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.slug)
def test_its_policy_is_one_that_the_stream_accepts(plan: Plan) -> None:
    check_body(plan.policy, Stream(slug=plan.slug, classes=list(plan.classes)))

    assert {*plan.policy.get("thresholds", {}), *plan.policy.get("promises", {})} == set(plan.classes)


@pytest.mark.parametrize("plan", [plan for plan in PLANS if plan.proposal], ids=lambda plan: plan.slug)
def test_its_proposal_is_one_that_the_stream_accepts(plan: Plan) -> None:
    check_body({**plan.policy, **plan.proposal.changes}, Stream(slug=plan.slug, classes=list(plan.classes)))


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.slug)
def test_the_blind_share_is_at_least_the_audit_rate(plan: Plan) -> None:
    assert plan.blind_share >= max(plan.policy.get("audit_rates", {}).values(), default=0.0)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.slug)
def test_its_classes_are_those_of_the_data(plan: Plan) -> None:
    assert set(demo_rows(plan.slug).labels) == set(plan.classes)


def test_the_facts_show_every_column_once() -> None:
    names = list(demo_rows(TUMOUR_TRIAGE.slug).rows[0])

    display = TUMOUR_TRIAGE.display([Column(name, "float") for name in names])

    assert sorted(name for group in display["groups"] for name in group["columns"]) == sorted(names)
    assert [len(group["columns"]) for group in display["groups"]] == [10, 10, 10]
    assert display["labels"]["concave_points_worst"] == "Concave points"


def test_the_picture_has_as_many_points_as_columns() -> None:
    names = list(demo_rows(DIGIT_READING.slug).rows[0])

    display = DIGIT_READING.display([Column(name, "int") for name in names])

    assert display["height"] * display["width"] == len(names)
