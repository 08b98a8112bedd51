"""The stock administration: it looks at everything and writes through the same actions as everybody."""

import json

import pytest
from django.contrib import admin
from django.urls import reverse

from reviewapp.events.models import Event
from reviewapp.registry.models import Membership, PolicyVersion, Stream
from tests.factories import policies, reviews, teams

pytestmark = pytest.mark.django_db
BODY = {"thresholds": {"intact": 0.9}, "audit_rates": {}, "never_automate": ["damaged"], "novelty_floor": None}


@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model._meta.label)
def test_every_list_can_be_looked_at(model, stream, rosa, administrator, signed_in):
    reviews.settled(stream, rosa)

    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"

    assert signed_in(administrator).get(reverse(name)).status_code == 200


def test_what_happened_cannot_be_changed(stream, rosa, administrator, signed_in):
    reviews.settled(stream, rosa)
    event = Event.objects.order_by("pk").first()
    client, url = signed_in(administrator), reverse("admin:events_event_change", args=[event.pk])

    assert client.get(url).status_code == 200
    assert client.post(url, {"type": "nothing"}).status_code == 403
    assert client.post(reverse("admin:events_event_delete", args=[event.pk])).status_code == 403


def test_a_draft_is_written_through_its_action(stream, administrator, signed_in):
    response = signed_in(administrator).post(
        reverse("admin:registry_policyversion_add"),
        {"stream": str(stream.pk), "body": json.dumps(BODY), "note": "stricter"},
    )

    draft = PolicyVersion.objects.get(stream=stream, number=2)
    assert response.status_code == 302
    assert (draft.state, draft.body) == ("draft", BODY)
    assert Event.objects.filter(type="policy.drafted", actor=f"user:{administrator.pk}").exists()


def test_a_draft_with_a_wrong_threshold_is_refused(stream, administrator, signed_in):
    response = signed_in(administrator).post(
        reverse("admin:registry_policyversion_add"),
        {"stream": str(stream.pk), "body": json.dumps({"thresholds": {"intact": 1.5}}), "note": ""},
    )

    assert "must be a number above 0 and at most 1" in response.content.decode()
    assert not PolicyVersion.objects.filter(stream=stream, state="draft").exists()


def test_a_draft_can_be_edited_and_an_active_policy_cannot(stream, administrator, signed_in):
    draft, active = policies.draft(stream), PolicyVersion.objects.get(stream=stream, state="active")
    client = signed_in(administrator)

    for policy in (draft, active):
        client.post(reverse("admin:registry_policyversion_change", args=[policy.pk]), {"body": json.dumps(BODY)})
        policy.refresh_from_db()

    assert draft.body == BODY
    assert active.body != BODY


def test_activate_puts_a_draft_in_force_through_its_action(stream, administrator, signed_in):
    draft = policies.draft(stream, threshold=0.8)

    signed_in(administrator).post(
        reverse("admin:registry_policyversion_changelist"),
        {"action": "activate", "_selected_action": [str(draft.pk)]},
    )

    draft.refresh_from_db()
    assert draft.state == "active"
    assert Event.objects.filter(type="policy.activated", actor=f"user:{administrator.pk}").exists()


def test_a_stream_is_opened_through_its_action(stream, administrator, signed_in):
    signed_in(administrator).post(
        reverse("admin:registry_stream_add"),
        {
            "team": str(stream.team_id),
            "name": "Letters",
            "slug": "letters",
            "classes": "urgent,later",
            "review_mode": "assisted",
            "blind_share": "0.1",
            "sla": "1 00:00:00",
        },
    )

    opened = Stream.objects.get(slug="letters")
    assert opened.classes == ["urgent", "later"]
    assert Event.objects.filter(type="stream.created", subject=f"stream:{opened.pk}").exists()


def roles_told(administrator):
    told = Event.objects.filter(type__startswith="membership.", actor=f"user:{administrator.pk}").order_by("pk")
    return [(event.type, json.loads(bytes(event.payload))["role"], event.subject) for event in told]


def test_roles_given_changed_and_taken_back_are_told(stream, rosa, administrator, signed_in):
    client, subject = signed_in(administrator), f"user:{rosa.pk}"
    given = {"team": str(stream.team_id), "user": str(rosa.pk), "stream": str(stream.pk), "role": "auditor"}

    client.post(reverse("admin:registry_membership_add"), given)
    membership = Membership.objects.get(user=rosa, role="auditor")
    client.post(reverse("admin:registry_membership_change", args=[membership.pk]), given)
    client.post(
        reverse("admin:registry_membership_change", args=[membership.pk]), {**given, "role": "lead", "stream": ""}
    )
    client.post(reverse("admin:registry_membership_delete", args=[membership.pk]), {"post": "yes"})

    assert roles_told(administrator) == [
        ("membership.added", "auditor", subject),
        ("membership.removed", "auditor", subject),
        ("membership.added", "lead", subject),
        ("membership.removed", "lead", subject),
    ]
    assert list(Membership.objects.filter(user=rosa).values_list("role", flat=True)) == ["reviewer"]


def test_roles_taken_back_together_are_told_one_by_one(stream, rosa, ravi, administrator, signed_in):
    chosen = [str(one.pk) for one in Membership.objects.all()]
    action = {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}

    signed_in(administrator).post(reverse("admin:registry_membership_changelist"), action)

    assert not Membership.objects.exists()
    assert len(roles_told(administrator)) == 2


def test_a_role_in_another_teams_stream_is_refused(stream, rosa, administrator, signed_in):
    given = {"team": str(teams.team("other").pk), "user": str(rosa.pk), "stream": str(stream.pk), "role": "lead"}

    response = signed_in(administrator).post(reverse("admin:registry_membership_add"), given)

    assert response.status_code == 200
    assert "another team" in response.content.decode()
    assert not Membership.objects.filter(role="lead").exists()
