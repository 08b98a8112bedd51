"""What holds for every page: sign-in, read-only GETs, no inline script or style, a strict policy on the wire."""

import re
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse
from django.urls.converters import get_converters
from django.utils import timezone

from reviewapp.gating.models import BackTest, Breaker, Certificate
from reviewapp.registry.actors import SYSTEM
from reviewapp.webhooks import actions as webhooks
from tests.factories import cases, policies, reviews

pytestmark = pytest.mark.django_db

# Open to everybody, each for its reason: health checks, signing in, and getting back in.
OPEN = {
    "livez",
    "readyz",
    "metrics",
    "login",
    "account_login",
    "account_signup",
    "account_inactive",
    "account_email_verification_sent",
    "account_confirm_email",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key_done",
}
PAGES = ("home", "find", "inbox", "me", "alerts", "endpoints", "deliveries", "keys")
STREAM_PAGES = (
    *("queue", "policy", "policy_workshop", "policy_versions", "policy_new", "policy_harm", "certificates", "breakers"),
    *("models", "models_compare", "models_uploads", "display", "people"),
)
# Pages of one case, review or other row, and their fragments.
SINGLE = (
    *("case", "case_similar", "models_card", "models_compare_cases", "review"),
    *("policy_version", "policy_edit", "back_test", "certificate", "breaker"),
)
WRITES = re.compile(r"^\s*(INSERT|UPDATE|DELETE|MERGE|COPY|TRUNCATE|CREATE|ALTER|DROP|LOCK)\b", re.IGNORECASE)
INLINE = re.compile(r"<script(?![^>]*\bsrc=)|<style\b|\sstyle=|\son[a-z]+\s*=|javascript:", re.IGNORECASE)


def ours():
    """The patterns of our own pages, by name."""
    found = {}
    for entry in get_resolver("reviewapp.web.urls").url_patterns:
        assert isinstance(entry, URLPattern | URLResolver)
        found[entry.name] = entry
    return found


def everyone_s(patterns, namespaces=()):
    """Every named address of the installation that can be written down without knowing what its parts mean."""
    for entry in patterns:
        if isinstance(entry, URLResolver):
            inner = (*namespaces, entry.namespace) if entry.namespace else namespaces
            yield from everyone_s(entry.url_patterns, inner)
        elif entry.name:
            with suppress(NoReverseMatch):
                name = ":".join((*namespaces, entry.name))
                yield entry.name, reverse(name, kwargs=arguments_of(entry))


def arguments_of(pattern):
    made = {"int": 1, "uuid": uuid4(), "slug": "parcels", "str": "parcels", "path": "parcels"}
    kinds = {type(converter): kind for kind, converter in get_converters().items()}
    return {name: made[kinds[type(converter)]] for name, converter in pattern.pattern.converters.items()}


def of_the_gate(stream):
    """The pages of single rows that back a policy."""
    draft, now = policies.draft(stream), timezone.now()
    version = stream.live_rollout.members.get().model_version
    promise = {"target_error": 0.05, "confidence": 0.95}
    certificate = Certificate.objects.create(
        stream=stream, model_version=version, scope="intact", number=1, evidence={"sentence": "no label"}, **promise
    )
    test = BackTest.objects.create(
        policy_version=draft,
        period_start=now - timedelta(days=1),
        period_end=now,
        created_by="system",
        result={"progress": {"replayed": 0, "cases": 2}},
    )
    breaker = Breaker.objects.create(stream=stream, answer="intact")
    return [
        *(reverse(name, args=[stream.slug, draft.number]) for name in ("policy_version", "policy_edit")),
        reverse("certificate", args=[stream.slug, certificate.pk]),
        reverse("back_test", args=[stream.slug, test.pk]),
        reverse("breaker", args=[stream.slug, breaker.pk]),
    ]


@pytest.fixture
def everything(stream, rosa, ravi):
    """A stream in which every page has something to show; answers the addresses of all pages."""
    webhooks.create_endpoint(team=stream.team, url="http://127.0.0.1:9/hooks", by=SYSTEM)
    settled = reviews.settled(stream, ravi)
    claimed = reviews.claimed(stream, rosa)
    waiting = reviews.waiting(stream)
    cases.explain_all()
    urls = [reverse(name) for name in PAGES] + [reverse(name, args=[stream.slug]) for name in STREAM_PAGES]
    urls += [reverse("case", args=[one.case_id]) for one in (claimed, waiting)]
    return [
        *urls,
        *of_the_gate(stream),
        reverse("case", args=[settled.pk]),
        reverse("case_similar", args=[settled.pk]),
        reverse("models_compare_cases", args=[stream.slug, 1, 1]),
        reverse("case_similar", args=[waiting.case_id]),
        reverse("review", args=[claimed.pk]),
        reverse("review", args=[waiting.pk]),
    ]


@pytest.mark.parametrize("name", sorted(ours()))
def test_every_page_needs_a_sign_in(name):
    url = reverse(name, kwargs=arguments_of(ours()[name]))

    for response in (Client().get(url), Client().post(url)):
        assert response.status_code == 302
        assert response.url == f"{reverse('account_login')}?next={url}"


def test_no_other_address_answers_strangers_unless_it_is_listed():
    addresses = list(everyone_s(get_resolver().url_patterns))

    answered = {name for name, url in addresses if name not in OPEN and Client().get(url).status_code == 200}

    assert len(addresses) > len(ours())
    assert not answered


@pytest.mark.parametrize("name", sorted(set(ours()) - {*PAGES, *STREAM_PAGES, *SINGLE}))
def test_what_writes_refuses_get(name, administrator, signed_in):
    url = reverse(name, kwargs=arguments_of(ours()[name]))

    assert signed_in(administrator).get(url).status_code == 405


@pytest.mark.parametrize("name", sorted({*PAGES, *STREAM_PAGES, *SINGLE}))
def test_what_reads_refuses_post(name, administrator, signed_in):
    url = reverse(name, kwargs=arguments_of(ours()[name]))

    assert signed_in(administrator).post(url).status_code == 405


def test_a_post_without_csrf_token_is_refused(rosa, stream):
    client = Client(enforce_csrf_checks=True)
    client.force_login(rosa)

    assert client.post(reverse("queue_start", args=[stream.slug])).status_code == 403


@pytest.mark.parametrize("person", ["rosa", "lead", "administrator"])
def test_get_never_writes(person, request, everything, signed_in):
    client = signed_in(request.getfixturevalue(person))
    client.get("/")
    seen = []

    def refuse(execute, sql, params, many, context):
        if WRITES.match(sql):
            seen.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        for url in everything:
            client.get(url)

    assert not seen


@pytest.mark.parametrize("person", ["rosa", "lead", "policy_owner", "model_owner"])
def test_no_page_has_inline_script_or_style(person, request, everything, signed_in):
    client = signed_in(request.getfixturevalue(person))

    for url in everything:
        content = client.get(url).content.decode()
        found = INLINE.search(content)
        assert found is None, f"{url}: {content[found.start() - 80 : found.end() + 40]}"
        assert "{{" not in content
        assert "{%" not in content


def test_the_policy_is_sent_with_every_page(everything, rosa, signed_in):
    for url in everything:
        policy = signed_in(rosa).get(url).headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy


def test_the_menu_asks_nothing_for_nobody(django_assert_num_queries):
    with django_assert_num_queries(0):
        response = Client().get(reverse("account_login"))

    assert response.status_code == 200
    assert reverse("inbox") not in response.content.decode()
