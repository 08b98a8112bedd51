import json

import pytest
from django.urls import reverse

from reviewapp.events.models import Event
from reviewapp.registry.actions import streams as actions
from reviewapp.registry.models import Membership, Role
from tests.factories import cases, teams

pytestmark = pytest.mark.django_db


def content(response):
    return response.content.decode()


def revise(client, stream, kind, body):
    return client.post(reverse("display_revise", args=[stream.slug]), {"kind": kind, "body": body})


def test_a_display_is_revised_and_cases_are_shown_by_it(stream, lead, signed_in):
    client = signed_in(lead)
    display = {
        "kind": "facts",
        "groups": [{"title": "Damage", "columns": ["dent"]}],
        "labels": {"dent": "Deepest dent"},
    }

    revise(client, stream, "display", json.dumps(display))
    shown = content(client.get(reverse("case", args=[cases.in_review(stream).pk])))

    assert actions.revision_in_force(stream, "display").body == display
    assert "Damage" in shown
    assert "Deepest dent" in shown
    assert "Other values" in shown


@pytest.mark.parametrize("wrong", ["{", "", '{"a": NaN}', "[" * 3000 + "]" * 3000])
def test_what_is_no_json_is_refused_and_kept_in_the_form(wrong, stream, lead, signed_in):
    before = actions.revision_in_force(stream, "contract")

    response = revise(signed_in(lead), stream, "contract", wrong)

    assert response.status_code == 422
    assert actions.revision_in_force(stream, "contract") == before


def test_a_contract_that_is_no_schema_is_refused(stream, lead, signed_in):
    response = revise(
        signed_in(lead), stream, "contract", '{"type": "object", "properties": {"dent": {"type": "depth"}}}'
    )

    assert response.status_code == 422
    assert "is not a JSON Schema" in content(response)


def test_a_reviewer_reads_the_revisions_only(stream, rosa, signed_in):
    client = signed_in(rosa)

    assert "put in force" not in content(client.get(reverse("display", args=[stream.slug])))
    assert revise(client, stream, "guideline", '{"text": "guess"}').status_code == 403


def test_a_lead_adds_and_removes_a_person(stream, lead, signed_in):
    newcomer, client = teams.user("Nora New"), signed_in(lead)

    client.post(reverse("people_add", args=[stream.slug]), {"email": newcomer.email.upper(), "role": "reviewer"})
    membership = Membership.objects.get(user=newcomer)
    client.post(reverse("people_remove", args=[stream.slug, membership.pk]))

    assert (membership.stream, membership.role) == (stream, "reviewer")
    assert not Membership.objects.filter(user=newcomer).exists()
    types = Event.objects.filter(subject=f"user:{newcomer.pk}").order_by("pk").values_list("type", flat=True)
    assert list(types) == ["membership.added", "membership.removed"]


def test_another_teams_person_is_not_told_apart_from_nobody(stream, lead, outsider, signed_in):
    client, url = signed_in(lead), reverse("people_add", args=[stream.slug])

    answers = [client.post(url, {"email": email, "role": "reviewer"}) for email in (outsider.email, "x@example.org")]

    for answer in answers:
        assert answer.status_code == 422
        assert "Nobody of this team signs in with this address" in content(answer)


def test_the_same_role_twice_is_told(stream, lead, signed_in):
    person = teams.member("Nora New", role=Role.REVIEWER, stream=stream)

    response = signed_in(lead).post(
        reverse("people_add", args=[stream.slug]), {"email": person.email, "role": "reviewer"}
    )

    assert response.status_code == 422
    assert "already has this role" in content(response)


def test_a_role_in_the_whole_team_is_not_taken_back_here(stream, lead, rosa, signed_in):
    membership = Membership.objects.get(user=rosa)

    response = signed_in(lead).post(reverse("people_remove", args=[stream.slug, membership.pk]))

    assert response.status_code == 404
    assert Membership.objects.filter(pk=membership.pk).exists()


def test_the_last_word_on_ones_own_lead_role_is_another_leads(stream, signed_in):
    person = teams.member("Nora New", role=Role.LEAD, stream=stream)
    membership = Membership.objects.get(user=person)

    response = signed_in(person).post(reverse("people_remove", args=[stream.slug, membership.pk]))

    assert response.status_code == 409


def test_a_reviewer_cannot_add_anybody(stream, rosa, signed_in):
    response = signed_in(rosa).post(reverse("people_add", args=[stream.slug]), {"email": rosa.email, "role": "lead"})

    assert response.status_code == 403
