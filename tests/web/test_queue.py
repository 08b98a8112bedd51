import pytest
from django.urls import reverse

from reviewapp.cases.models import Review
from reviewapp.web.queries import counting
from tests.factories import cases, reviews, streams

pytestmark = pytest.mark.django_db


def test_the_queue_counts_by_kind_and_lists_what_comes_next(lead, signed_in):
    stream = streams.ready(policy={"audit_rate": 1.0})
    audited, unclear = cases.decided(stream), cases.in_review(stream)

    shown = signed_in(lead).get(reverse("queue", args=[stream.slug])).content.decode()

    assert 'Routine <span class="text-secondary ms-1">1</span>' in shown
    assert 'Audit <span class="text-secondary ms-1">1</span>' in shown
    # Audits come first: a late one costs automation.
    assert shown.index(audited.external_id) < shown.index(unclear.external_id)


def test_the_list_tells_nothing_of_the_model(stream, rosa, signed_in):
    review = reviews.waiting(stream)

    shown = signed_in(rosa).get(reverse("queue", args=[stream.slug])).content.decode()

    assert review.case.external_id in shown
    assert "onfidence" not in shown
    assert "intact" not in shown


def test_a_reviewer_is_not_told_which_cases_are_audited(rosa, signed_in):
    stream = streams.ready(policy={"audit_rate": 1.0})
    audited, unclear = cases.decided(stream), cases.in_review(stream)

    shown = signed_in(rosa).get(reverse("queue", args=[stream.slug]), {"kind": "audit"}).content.decode()

    # A count that falls when one is claimed would tell which it was.
    assert "audit" not in shown.lower()
    assert audited.external_id in shown
    assert unclear.external_id in shown


def test_an_audit_looks_like_the_other_unseen_reviews_of_its_stream(rosa, lead, signed_in):
    stream = streams.ready(policy={"audit_rate": 1.0}, review_mode="commit_then_reveal")
    audit = cases.decided(stream).reviews.get()
    url = reverse("queue", args=[stream.slug])

    pages = [signed_in(rosa).get(url)]
    pages.append(signed_in(rosa).post(reverse("review_claim", args=[audit.pk]), follow=True))
    pages += [signed_in(rosa).get(each) for each in (url, reverse("inbox"))]

    for page in pages:
        shown = page.content.decode()
        assert audit.case.external_id in shown
        assert "commit then reveal" in shown.lower()
        assert "blind" not in shown.lower()
    assert "blind" in signed_in(lead).get(url).content.decode().lower()


def test_a_filter_shows_one_kind(lead, signed_in):
    stream = streams.ready(policy={"audit_rate": 1.0})
    audited, unclear = cases.decided(stream), cases.in_review(stream)

    shown = signed_in(lead).get(reverse("queue", args=[stream.slug]), {"kind": "audit"}).content.decode()

    assert audited.external_id in shown
    assert unclear.external_id not in shown


def test_the_list_that_htmx_asks_for_equals_the_page_loaded_afresh(stream, rosa, signed_in):
    reviews.waiting(stream)
    client, url = signed_in(rosa), reverse("queue", args=[stream.slug])

    fragment = client.get(url, headers={"HX-Request": "true"})
    page = client.get(url)

    assert fragment.content.decode().strip() in page.content.decode()
    assert "<html" not in fragment.content.decode()
    assert "HX-Request" in page.headers["Vary"]


def test_start_claims_the_most_pressing_review(stream, rosa, signed_in):
    first = reviews.waiting(stream)
    reviews.waiting(stream)

    response = signed_in(rosa).post(reverse("queue_start", args=[stream.slug]))

    first.refresh_from_db()
    assert response.url == reverse("review", args=[first.pk])
    assert first.claimed_by == rosa


def test_prefetch_claims_nothing(stream, rosa, signed_in):
    review = reviews.waiting(stream)

    response = signed_in(rosa).post(reverse("queue_prefetch", args=[stream.slug]))

    review.refresh_from_db()
    assert response.status_code == 204
    assert review.claimed_by is None


def test_those_who_cannot_review_see_no_start_button(stream, auditor, rosa, signed_in):
    url, action = reverse("queue", args=[stream.slug]), reverse("queue_start", args=[stream.slug])

    assert action in signed_in(rosa).get(url).content.decode()
    assert action not in signed_in(auditor).get(url).content.decode()


def test_an_overdue_review_is_marked(stream, rosa, signed_in):
    review = reviews.waiting(stream)
    Review.objects.filter(pk=review.pk).update(due_at=review.created_at)

    shown = signed_in(rosa).get(reverse("queue", args=[stream.slug])).content.decode()

    assert "overdue" in shown


def test_home_counts_a_persons_own_claims_and_the_automatic_share(stream, rosa, signed_in):
    cases.decided(stream)
    reviews.claimed(stream, rosa)

    shown = signed_in(rosa).get(reverse("home")).content.decode()

    assert "<dt>Claimed by you</dt><dd>1</dd>" in shown
    assert "50.0%" in shown


def test_home_says_how_to_begin_when_there_is_nothing(administrator, db, signed_in):
    shown = signed_in(administrator).get(reverse("home")).content.decode()

    assert "There is no stream yet" in shown
    assert "manage.py demo" in shown


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (1000, "1000"), (1001, "1000+")])
def test_counts_are_capped(number, text):
    assert counting.capped(number) == text
