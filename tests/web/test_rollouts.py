"""The models page: each step of a rollout, the canary's watch, the way back and the comparison."""

import pytest
from django.urls import reverse

from reviewapp.cases.models import Recall
from reviewapp.gating.models import Hold
from reviewapp.registry.actions import rollouts
from reviewapp.registry.actors import SYSTEM
from reviewapp.webhooks import unsending
from tests.factories import bundles, cases, reviews, rivals

pytestmark = pytest.mark.django_db


@pytest.fixture
def rival(stream):
    return rivals.version(stream)


def post(client, name, *args, **given):
    return client.post(reverse(name, args=args), given, follow=True).content.decode()


def page(client, stream, name="models", *args, **query):
    return client.get(reverse(name, args=[stream.slug, *args]), query).content.decode()


def served(stream):
    stream.refresh_from_db()
    lineup = rollouts.lineup_of(stream)
    canary = lineup.canary and (lineup.canary.number, lineup.share)
    return lineup.primary.number, canary, [shadow.number for shadow in lineup.shadows]


def test_a_version_goes_through_all_its_parts(stream, rival, model_owner, signed_in):
    client = signed_in(model_owner)

    shown = post(client, "models_shadow", stream.slug, 2, reason="look first", share="5")
    assert "sees every case" in shown
    assert served(stream) == (1, None, [2])
    assert "Stop the shadow" in shown

    post(client, "models_shadow_stop", stream.slug, 2, reason="seen enough", share="5")
    assert served(stream) == (1, None, [])

    shown = post(client, "models_canary", stream.slug, 2, reason="a little", share="12.5")
    assert served(stream) == (1, (2, 0.125), [])
    assert "Change its share" in shown
    assert "12.5%" in shown

    shown = post(client, "models_roll_out", stream.slug, 2, reason="it holds", share="5")
    assert served(stream) == (2, None, [])
    assert "it holds" in shown


def test_the_page_tells_how_the_canary_does(stream, rival, model_owner, rosa, signed_in):
    rollouts.start_canary(version=rival, share=0.5, by=SYSTEM)
    for _ in range(6):
        cases.scored(stream, bundles.CLEARLY_INTACT)
    reviews.settled(stream, rosa)

    shown = page(signed_in(model_owner), stream)

    assert "Since the canary began" in shown
    assert "It keeps to its guards" in shown
    assert "A rollback ends the canary: model 1 gets every case." in shown


def test_one_click_rolls_back_and_sends_the_decisions_to_review(stream, rival, model_owner, signed_in):
    rollouts.promote(version=rival, by=SYSTEM)
    case = cases.decided(stream)
    client = signed_in(model_owner)
    assert "A rollback puts model 1 back in the place of model 2." in page(client, stream)

    shown = post(client, "models_roll_back", stream.slug, reason="it misses tears", send_to_review="on")

    assert served(stream) == (1, None, [])
    assert "under way, deliveries held" in shown
    assert Hold.objects.filter(stream=stream, scope="deliveries", lifted_at__isnull=True).exists()
    while unsending.recall_batch():
        pass
    case.refresh_from_db()
    assert case.state == "in_review"
    assert "1 decision back to people, 1 of them never sent" in page(client, stream)


def test_after_a_rollback_the_decisions_that_stand_are_offered_for_review(stream, rival, model_owner, rosa, signed_in):
    rollouts.promote(version=rival, by=SYSTEM)
    for _ in range(2):
        cases.decided(stream)
    client = signed_in(model_owner)

    shown = post(client, "models_roll_back", stream.slug, reason="it misses tears")
    assert "2 automatic decisions of model 2 since" in shown
    assert "Send them to review" in shown
    assert "Send them to review" not in page(signed_in(rosa), stream)

    post(client, "models_recall", stream.slug, 2, reason="it misses tears")
    assert Recall.objects.get().created_by == f"user:{model_owner.pk}"


def test_a_rollback_without_a_reason_is_refused_and_says_so(stream, rival, model_owner, signed_in):
    rollouts.promote(version=rival, by=SYSTEM)

    shown = post(signed_in(model_owner), "models_roll_back", stream.slug, reason="")

    assert "This field is required" in shown
    assert served(stream) == (2, None, [])


@pytest.mark.parametrize("share", ["0", "101", "much", ""])
def test_a_wrong_share_is_refused_and_says_so(share, stream, rival, model_owner, signed_in):
    shown = post(signed_in(model_owner), "models_canary", stream.slug, 2, reason="a little", share=share)

    assert "Share of the cases" in shown
    assert served(stream) == (1, None, [])


def test_what_cannot_be_done_is_said(stream, rival, model_owner, signed_in):
    shown = post(signed_in(model_owner), "models_canary", stream.slug, 1, reason="again", share="5")

    assert "Model 1 is the primary." in shown


def test_a_version_that_does_not_exist_is_not_found(stream, model_owner, signed_in):
    client = signed_in(model_owner)

    assert client.post(reverse("models_shadow", args=[stream.slug, 9]), {"reason": "x"}).status_code == 404
    assert client.get(reverse("models_compare_cases", args=[stream.slug, 1, 9])).status_code == 404


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("models_canary", 2),
        ("models_shadow", 2),
        ("models_shadow_stop", 2),
        ("models_recall", 2),
        ("models_roll_back", None),
    ],
)
def test_a_reviewer_takes_no_step(name, number, stream, rival, rosa, signed_in):
    args = [stream.slug] if number is None else [stream.slug, number]

    response = signed_in(rosa).post(reverse(name, args=args), {"reason": "mine", "share": "5"})

    assert response.status_code == 403
    assert served(stream) == (1, None, [])


def test_two_versions_are_compared_and_each_number_leads_to_its_cases(stream, rival, lead, rosa, signed_in):
    rollouts.start_shadow(version=rival, by=SYSTEM)
    torn = cases.scored(stream, rivals.TORN)
    for _ in range(3):
        cases.scored(stream, bundles.CLEARLY_INTACT)
    reviews.settled(stream, rosa)
    rivals.shadow_all()
    client = signed_in(lead)

    shown = page(client, stream, "models_compare", one=1, other=2)

    assert "Where they differ" in shown
    assert "of 5)" in shown
    link = f"{reverse('models_compare_cases', args=[stream.slug, 1, 2])}?said_one=damaged&amp;said_other=intact"
    assert link in shown
    listed = client.get(link.replace("&amp;", "&")).content.decode()
    assert torn.external_id in listed
    assert "model 1 calls “damaged” and model 2 calls “intact”" in listed
    assert reverse("case", args=[torn.pk]) in listed


def test_without_a_choice_the_primary_stands_beside_its_shadow(stream, rival, lead, signed_in):
    client = signed_in(lead)
    assert "Nothing to compare" in page(client, stream, "models_compare")
    rollouts.start_shadow(version=rival, by=SYSTEM)

    shown = page(client, stream, "models_compare")

    assert '<option value="1" selected>' in shown
    assert '<option value="2" selected>' in shown
    assert "none yet" in shown
    assert "Nothing to compare" not in page(client, stream, "models_compare", one="x", other="99")


def test_a_reviewer_sees_the_comparison_but_no_single_case(stream, rival, rosa, signed_in):
    client = signed_in(rosa)

    assert client.get(reverse("models_compare", args=[stream.slug])).status_code == 200
    assert client.get(reverse("models_compare_cases", args=[stream.slug, 1, 2])).status_code == 403
