import re

import pytest
from django.urls import reverse

from reviewapp.cases.actions import reopening, replaying
from reviewapp.cases.models import Review
from reviewapp.registry.models import Stream
from reviewapp.webhooks import actions as webhooks
from reviewapp.webhooks import relay
from tests.factories import cases, reviews, streams
from tests.people import acting

pytestmark = pytest.mark.django_db


def trace(client, case):
    content = client.get(reverse("case", args=[case.pk])).content.decode()
    return content.split("<main", 1)[1].split("</main>", 1)[0]


def without_token(content):
    return re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", content).strip()


def test_the_trace_tells_an_automatic_decision_whole(stream, auditor, signed_in):
    case = cases.decided(stream)

    shown = trace(signed_in(auditor), case)

    assert "automatically" in shown
    assert "model 1 (parcels)" in shown
    assert "reaches the 90.0%" in shown
    assert "CPUExecutionProvider" in shown


def test_the_trace_tells_who_answered_and_whether_the_model_was_seen(stream, rosa, auditor, signed_in):
    case = reviews.settled(stream, rosa)

    shown = trace(signed_in(auditor), case)

    assert "<strong>intact</strong> by Rosa" in shown
    assert "model seen" in shown
    assert "Label recorded" in shown


def test_the_timeline_is_in_the_order_it_happened(stream, rosa, auditor, signed_in):
    shown = trace(signed_in(auditor), reviews.settled(stream, rosa))

    titles = ["<strong>Received", "<strong>Sent to people", "<strong>Answered", "<strong>Decided"]
    places = [shown.index(title) for title in titles]
    assert places == sorted(places)


def test_each_generation_of_the_input_is_shown(stream, lead, signed_in):
    case = cases.in_review(stream)
    reopening.amend(case_id=case.pk, generation=1, features={"dent": 1.25, "tear": 1.0}, by=acting(lead))
    cases.score_all()

    shown = trace(signed_in(lead), case)

    assert "generation 2 (in force)" in shown
    assert "1.25" in shown
    assert "<strong>Amended" in shown


def test_a_reviewer_who_may_yet_answer_unseen_is_shown_the_input_alone(rosa, lead, signed_in):
    stream = streams.ready(review_mode=Stream.Mode.COMMIT_THEN_REVEAL)
    case = cases.in_review(stream)

    hidden, whole = trace(signed_in(rosa), case), trace(signed_in(lead), case)

    assert "is hidden until" in hidden
    assert "onfidence" not in hidden
    assert "below" not in hidden
    assert "below the 90.0%" in whole


def test_a_lead_reopens_a_decided_case_with_a_reason(stream, lead, signed_in):
    case = cases.decided(stream)

    response = signed_in(lead).post(reverse("case_reopen", args=[case.pk]), {"reason": "the customer complains"})

    review = Review.objects.get(case=case)
    assert response.url == reverse("case", args=[case.pk])
    assert review.kind == Review.Kind.REOPENED
    assert review.reasons[0]["sentence"] == "Reopened: the customer complains"


def test_reopening_needs_a_reason(stream, lead, signed_in):
    case = cases.decided(stream)

    response = signed_in(lead).post(reverse("case_reopen", args=[case.pk]), {"reason": " "})

    assert response.status_code == 422
    assert "This field is required" in response.content.decode()
    assert not Review.objects.filter(case=case).exists()


def test_a_reviewer_cannot_reopen(stream, rosa, signed_in):
    case = cases.decided(stream)
    client = signed_in(rosa)

    response = client.post(reverse("case_reopen", args=[case.pk]), {"reason": "I would like to"})

    assert response.status_code == 403
    assert reverse("case_reopen", args=[case.pk]) not in trace(client, case)


def test_find_opens_a_case_by_either_id(stream, rosa, signed_in):
    case = cases.received(stream, external_id="P-77")
    client = signed_in(rosa)

    for text in ("P-77", " P-77 ", str(case.pk)):
        assert client.get(reverse("find"), {"q": text}).url == reverse("case", args=[case.pk])


def test_find_says_when_nothing_has_this_id(stream, rosa, outsider, signed_in):
    case = cases.received(stream)

    for person, text in ((rosa, "nobody's"), (outsider, case.external_id), (outsider, str(case.pk)), (rosa, "a\0b")):
        response = signed_in(person).get(reverse("find"), {"q": text})
        assert "No case has this id" in response.content.decode()


def test_the_inbox_holds_claims_and_takes_answers_back(stream, rosa, signed_in):
    client = signed_in(rosa)
    answered, held = reviews.claimed(stream, rosa), reviews.claimed(stream, rosa)
    reviews.answer(answered, rosa)

    shown = client.get(reverse("inbox")).content.decode()
    client.post(reverse("review_undo", args=[answered.pk]))

    assert reverse("review", args=[held.pk]) in shown
    assert reverse("review_undo", args=[answered.pk]) in shown
    assert Review.objects.filter(case=answered.case, state="open", claimed_by=rosa).exists()


def test_the_inbox_does_not_offer_what_has_left_the_house(stream, rosa, signed_in, age_verdicts):
    review = reviews.claimed(stream, rosa)
    reviews.answer(review, rosa)
    age_verdicts(seconds=20)
    client = signed_in(rosa)

    shown = client.get(reverse("inbox")).content.decode()
    refused = client.post(reverse("review_undo", args=[review.pk]))

    assert reverse("review_undo", args=[review.pk]) not in shown
    assert refused.status_code == 409
    assert "has already been sent" in refused.content.decode()


def test_the_trace_tells_the_bundle_its_preprocessing_and_lineage_and_the_policys_thresholds(
    stream, auditor, signed_in
):
    case = cases.decided(stream)
    bundle = case.predictions.get().model_version.bundle

    shown = trace(signed_in(auditor), case)

    assert bundle.digest in shown
    assert bundle.manifest["lineage"]["data_digest"] in shown
    assert "dent (float), tear (float)" in shown
    assert "beta" in shown
    assert "Policy 1" in shown
    assert '<th scope="row">damaged</th><td>0.9 by hand' in shown
    assert "&quot;dent&quot;: 1.0" in shown


def test_the_address_of_an_endpoint_is_told_to_those_who_run_the_integration_only(
    stream, rosa, auditor, lead, signed_in
):
    webhooks.create_endpoint(team=stream.team, url="http://127.0.0.1:9/secret-hook", by=acting(lead))
    case = cases.decided(stream)
    relay.relay_batch()

    assert "secret-hook" not in trace(signed_in(rosa), case)
    assert "deliveries-title" in trace(signed_in(rosa), case)
    assert "secret-hook" in trace(signed_in(auditor), case)


def test_a_replay_is_asked_for_by_a_button_and_shown_when_it_is_done(stream, auditor, signed_in):
    case, client = cases.decided(stream), signed_in(auditor)

    asked = client.post(reverse("case_replay", args=[case.pk]))
    waiting = trace(client, case)
    replaying.replay_batch()
    fragment = client.get(asked.url, headers={"HX-Request": "true"}).content.decode()

    assert asked.url == reverse("case", args=[case.pk]) + "#replays"
    assert f'hx-get="{reverse("case", args=[case.pk])}"' in waiting
    assert "Being run again" in waiting
    assert fragment.lstrip().startswith('<section class="card" id="replays"')
    assert "hx-get" not in fragment
    assert "Same result" in fragment
    assert "Aisha Audit" in fragment
    assert without_token(fragment) in without_token(trace(client, case))
    assert "<strong>Replayed" in trace(client, case)


def test_a_replay_that_differs_says_so(stream, auditor, signed_in):
    case, client = cases.decided(stream), signed_in(auditor)
    stored = case.predictions.get().probabilities
    case.predictions.update(probabilities=[stored[0] - 0.25, stored[1] + 0.25])
    client.post(reverse("case_replay", args=[case.pk]))
    replaying.replay_batch()

    assert "Largest difference <strong>2.5e-01" in trace(client, case)


def test_a_reviewer_sees_replays_but_starts_none(stream, rosa, signed_in):
    case, client = cases.decided(stream), signed_in(rosa)

    assert reverse("case_replay", args=[case.pk]) not in trace(client, case)
    assert client.post(reverse("case_replay", args=[case.pk])).status_code == 403


def test_what_upstream_scored_offers_no_replay(auditor, signed_in):
    stream = streams.upstream_scored()
    case = cases.received(stream, prediction=cases.external_prediction(intact=0.6, damaged=0.4))
    client = signed_in(auditor)

    assert reverse("case_replay", args=[case.pk]) not in trace(client, case)
    assert client.post(reverse("case_replay", args=[case.pk])).status_code == 409


def test_replays_stay_hidden_while_the_case_is_to_be_answered_unseen(rosa, lead, signed_in):
    stream = streams.ready(review_mode=Stream.Mode.COMMIT_THEN_REVEAL)
    case = cases.in_review(stream)
    replaying.ask(case_id=case.pk, by=acting(lead))
    replaying.replay_batch()
    client, url = signed_in(rosa), reverse("case", args=[case.pk])

    assert "replays-title" not in trace(client, case)
    assert client.get(url, headers={"HX-Request": "true"}).status_code == 403
    assert client.get(reverse("api:case-export", args=[case.pk])).status_code == 403
