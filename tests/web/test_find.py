"""Finding a decision by what somebody remembers of it."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pgtrigger
import pytest
from django.conf import settings
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from reviewapp.cases.actions import reopening
from reviewapp.cases.models import Decision
from reviewapp.web.forms.find import REASONS
from reviewapp.web.queries import find as queries
from tests.factories import bundles, cases, reviews, streams
from tests.people import acting

pytestmark = pytest.mark.django_db


def shown(client: Client, **asked: object) -> str:
    response = client.get(reverse("find"), asked)
    assert response.status_code == 200
    return response.content.decode().split('id="decisions"', 1)[1].split("</main>", 1)[0]


def found(client: Client, **asked: object) -> list[str]:
    """The external ids in the order of the page."""
    return re.findall(r'<a href="/cases/[^"]+">([^<]+)</a>', shown(client, **asked))


def decided_at(case, moment: datetime) -> None:
    """Lets a case have been decided at another time, with the id that it would have had then."""
    decision = Decision.objects.get(case=case)
    moved = UUID(int=queries._id_at(moment).int | (decision.pk.int & (2**80 - 1)))
    with pgtrigger.ignore("cases.Decision:decision_append_only"):
        Decision.objects.filter(pk=decision.pk).update(id=moved, decided_at=moment)


@pytest.fixture
def client(auditor, signed_in) -> Client:
    return signed_in(auditor)


@pytest.fixture
def last_tuesday() -> datetime:
    """14:32 in UTC on the Tuesday that has been."""
    now = timezone.now().astimezone(UTC)
    day = now - timedelta(days=(now.weekday() - 1) % 7 or 7)
    return day.replace(hour=14, minute=32, second=0, microsecond=0)


def test_a_decision_is_found_by_the_time_in_words(stream, client, last_tuesday):
    for name, offset in (("before", -90), ("then", 25), ("long-after", 90_000)):
        decided_at(cases.decided(stream, external_id=name), last_tuesday + timedelta(seconds=offset))

    page = shown(client, when="last Tuesday 14:32")

    assert found(client, when="last Tuesday 14:32") == ["before", "then", "long-after"]
    assert page.index("before</a>") < page.index("find-here") < page.index("then</a>")
    assert found(client, when="last Tuesday") == ["then", "before"]


def test_the_time_is_that_of_the_persons_own_zone(stream, client, last_tuesday):
    local = last_tuesday.replace(tzinfo=ZoneInfo("Asia/Tokyo"))
    decided_at(cases.decided(stream, external_id="tokyo"), local)
    client.cookies["timezone"] = "Asia/Tokyo"

    page = shown(client, when="last Tuesday")

    assert "tokyo</a>" in page
    assert "14:32:00" in page
    assert "Times are in Asia/Tokyo" in client.get(reverse("find")).content.decode()


def test_a_zone_that_is_none_is_ignored(client):
    for name in ("Nowhere/At_All", "../../etc/passwd", ""):
        client.cookies["timezone"] = name
        assert "Times are in UTC" in client.get(reverse("find")).content.decode()


def test_around_a_moment_one_can_look_on_in_both_directions(stream, client, last_tuesday, monkeypatch):
    monkeypatch.setattr(queries, "SHOWN", 2)
    for number in range(6):
        case = cases.decided(stream, external_id=f"p{number}")
        decided_at(case, last_tuesday + timedelta(minutes=10 * number))

    page = shown(client, when=(last_tuesday + timedelta(minutes=25)).isoformat())
    earlier, later = (
        re.search(rf'href="([^"]+)"[^>]*data-key-label="{word}"', page)[1] for word in ("Earlier", "Later")
    )

    assert re.findall(r">(p\d)</a>", page) == ["p2", "p3"]
    assert re.findall(r">(p\d)</a>", client.get(earlier.replace("&amp;", "&")).content.decode()) == ["p1", "p2"]
    assert re.findall(r">(p\d)</a>", client.get(later.replace("&amp;", "&")).content.decode()) == ["p2", "p3"]


def test_a_long_list_goes_on_on_the_next_page(stream, client, monkeypatch):
    monkeypatch.setattr(queries, "SHOWN", 2)
    for number in range(3):
        cases.decided(stream, external_id=f"p{number}")

    page = client.get(reverse("find"), {"source": "auto"}).content.decode()
    older = re.search(r'href="([^"]+)" rel="next"', page)[1].replace("&amp;", "&")

    assert re.findall(r">(p\d)</a>", page) == ["p2", "p1"]
    assert re.findall(r">(p\d)</a>", client.get(older).content.decode()) == ["p0"]


def test_a_decision_is_found_by_model_class_reason_and_who_answered(stream, rosa, ravi, client):
    by_model = cases.decided(stream, external_id="first-model")
    second = bundles.primary(stream, name="successor")
    cases.decided(stream, external_id="second-model")
    reviews.settled(stream, rosa, "damaged", cases.in_review(stream, external_id="by-rosa"))
    reviews.settled(stream, ravi, "intact", cases.in_review(stream, external_id="by-ravi"))

    first = by_model.predictions.get().model_version_id
    assert found(client, model=first) == ["first-model"]
    assert found(client, model=second.pk, source="auto") == ["second-model"]
    assert found(client, answer="damaged") == ["by-rosa"]
    assert found(client, reason="below_threshold") == ["by-ravi", "by-rosa"]
    assert found(client, reason="above_threshold") == ["second-model", "first-model"]
    assert found(client, reviewer=rosa.pk) == ["by-rosa"]
    assert found(client, reviewer=ravi.pk, answer="damaged") == []
    assert found(client, stream=stream.slug, source="human") == ["by-ravi", "by-rosa"]


def test_a_superseded_decision_is_found_and_said_to_be_one(stream, rosa, lead, client):
    case = cases.decided(stream, external_id="twice")
    reopening.reopen(case_id=case.pk, reason="look again", by=acting(lead))
    reviews.settled(stream, rosa, "damaged", case)

    assert found(client, answer="damaged") == ["twice"]
    assert "superseded" in shown(client, answer="intact")
    assert "superseded" not in shown(client, answer="damaged")
    assert "look again" not in shown(client, reason="reopened")
    assert found(client, reason="reopened") == ["twice", "twice"]


def test_a_case_to_be_answered_unseen_is_not_found_by_what_was_decided(rosa, lead, signed_in):
    stream = streams.ready(policy={"audit_rate": 1.0})
    cases.decided(stream, external_id="audited")
    held = signed_in(rosa)

    assert found(held, answer="intact") == []
    assert found(held, when="today") == []
    assert found(signed_in(lead), answer="intact") == ["audited"]


def test_nothing_of_another_team_is_found_or_offered(stream, rosa, outsider, signed_in):
    case = reviews.settled(stream, rosa)
    client = signed_in(outsider)
    version = case.predictions.get().model_version_id

    assert found(client, source="human") == []
    assert found(client, when="today") == []
    offered = client.get(reverse("find")).content.decode()
    for name in (stream.name, "Rosa", str(version), "parcels"):
        assert name not in offered
    assert client.get(reverse("find"), {"reviewer": rosa.pk}).status_code == 422
    assert client.get(reverse("find"), {"model": version}).status_code == 422


@pytest.mark.parametrize(
    "asked",
    [
        {"when": "the day after never"},
        {"when": "a\0b"},
        {"answer": "no class"},
        {"model": "x"},
        {"stream": "x", "when": ""},
    ],
)
def test_what_cannot_be_read_is_said(asked, stream, client):
    response = client.get(reverse("find"), asked)

    assert response.status_code == 422
    assert "invalid-feedback" in response.content.decode()


def test_every_reason_of_the_code_can_be_looked_for():
    said = re.compile(r'Reason\(\s*"(\w+)"|"code": "(\w+)",\s+"sentence"')
    files = (Path(settings.BASE_DIR) / "reviewapp").rglob("*.py")
    codes = {first or second for file in files for first, second in said.findall(file.read_text())}

    # This one only stands in for others on the screen.
    assert codes - {"unseen"} <= REASONS.keys()
    assert "below_threshold" in codes


def test_ids_of_decisions_are_in_the_order_of_their_times(stream, rosa):
    for one in (cases.decided(stream), reviews.settled(stream, rosa)):
        decision = Decision.objects.get(case=one)
        assert queries._id_at(decision.decided_at - queries.SKEW) < decision.pk
        assert decision.pk < queries._id_at(decision.decided_at + queries.SKEW)
    assert not Decision.objects.exclude(decided_at=F("decided_at")).exists()
