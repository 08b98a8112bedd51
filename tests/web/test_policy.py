import pytest
from django.urls import reverse

from reviewapp.gating.models import Hold
from reviewapp.registry.models import PolicyVersion
from tests.factories import bundles, policies

pytestmark = pytest.mark.django_db
FORM = {
    "threshold_0": "97",
    "audit_0": "10",
    "never_1": "on",
    "novelty_floor": "2",
    "note": "be stricter",
    "expected_per_day": "20",
    "floor": "3",
    "ceiling": "100",
    "amber_factor": "5",
    "overdue_days": "7",
    "second_read_share": "10",
    "confirm_share": "100",
    "certificate_days": "90",
    "false_trips_per_year": "0.05",
    "cap_seconds": "3600",
}


def content(response):
    return response.content.decode()


def test_a_policy_owner_writes_a_draft_and_puts_it_in_force(stream, policy_owner, signed_in):
    client = signed_in(policy_owner)

    client.post(reverse("policy_draft", args=[stream.slug]), FORM)
    draft = PolicyVersion.objects.get(stream=stream, number=2)
    client.post(reverse("policy_activate", args=[stream.slug, 2]))

    assert draft.body == {
        "thresholds": {"intact": 0.97},
        "audit_rates": {"intact": 0.1},
        "never_automate": ["damaged"],
        "novelty_floor": 0.02,
    }
    shown = content(client.get(reverse("policy", args=[stream.slug])))
    assert "Policy 2" in shown
    assert "97%" in shown
    assert "never" in shown
    assert PolicyVersion.objects.get(stream=stream, state="active").number == 2


@pytest.mark.parametrize("wrong", ["150", "-1", "nan", "inf", "much", "0"])
def test_a_wrong_threshold_is_refused_at_its_field(wrong, stream, policy_owner, signed_in):
    response = signed_in(policy_owner).post(reverse("policy_draft", args=[stream.slug]), {**FORM, "threshold_0": wrong})

    assert response.status_code == 422
    assert "invalid-feedback" in content(response) or "alert-danger" in content(response)
    assert not PolicyVersion.objects.filter(stream=stream, number=2).exists()


def test_a_reviewer_reads_the_policy_and_changes_nothing(stream, rosa, signed_in):
    policies.draft(stream)
    client = signed_in(rosa)

    shown = content(client.get(reverse("policy", args=[stream.slug])))

    assert "90%" in shown
    assert "Write the draft" not in shown
    assert "Activate" not in shown
    assert client.post(reverse("policy_draft", args=[stream.slug]), FORM).status_code == 403
    assert client.post(reverse("policy_activate", args=[stream.slug, 2])).status_code == 403


def test_a_retired_policy_cannot_come_back(stream, policy_owner, signed_in):
    policies.active(stream)

    response = signed_in(policy_owner).post(reverse("policy_activate", args=[stream.slug, 1]))

    assert response.status_code == 409
    assert "is retired" in content(response)


def test_a_hold_is_placed_seen_and_lifted(stream, lead, signed_in):
    client = signed_in(lead)

    client.post(reverse("policy_hold", args=[stream.slug]), {"scope": "automation", "reason": "odd results"})
    hold = Hold.objects.get(stream=stream, lifted_at__isnull=True)
    shown = content(client.get(reverse("policy", args=[stream.slug])))
    client.post(reverse("policy_lift", args=[stream.slug, hold.pk]))

    hold.refresh_from_db()
    assert "odd results" in shown
    assert hold.lifted_at is not None


def test_the_same_hold_twice_is_told(stream, lead, signed_in):
    client, url = signed_in(lead), reverse("policy_hold", args=[stream.slug])
    client.post(url, {"scope": "all", "reason": "stop"})

    response = client.post(url, {"scope": "all", "reason": "stop"})

    assert response.status_code == 422
    assert "already in place" in content(response)


def test_a_reviewer_cannot_hold(stream, rosa, signed_in):
    response = signed_in(rosa).post(reverse("policy_hold", args=[stream.slug]), {"scope": "all", "reason": "please"})

    assert response.status_code == 403
    assert not Hold.objects.exists()


def test_a_model_owner_rolls_a_version_out(stream, model_owner, signed_in):
    bundles.version(stream, "parcels-2")
    client = signed_in(model_owner)

    client.post(reverse("models_roll_out", args=[stream.slug, 2]), {"reason": "better"})

    stream.refresh_from_db()
    assert stream.live_rollout.members.get().model_version.number == 2
    shown = content(client.get(reverse("models", args=[stream.slug])))
    assert "Rollout 2" in shown
    assert "better" in shown


def test_a_reviewer_cannot_roll_out(stream, rosa, signed_in):
    response = signed_in(rosa).post(reverse("models_roll_out", args=[stream.slug, 1]), {"reason": ""})

    assert response.status_code == 403
