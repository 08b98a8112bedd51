"""The whole loop through a real browser, per demo stream: sign in, claim, decide by keyboard, label, signed webhook."""

import json
import re
from typing import Any

import pytest
import requests

from tests.demo.installation import PATIENCE, Demo
from tests.e2e.browsers import browser
from tests.e2e.receiver import receiving

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2 * PATIENCE)]


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def receiver():
    with receiving() as listening:
        yield listening


@pytest.fixture(scope="module")
def secret(demo, chromium, receiver):
    """The signing secret of an endpoint that a lead creates in the browser."""
    page = sign_in(chromium, demo, "lead")
    page.goto(f"{demo.root}/endpoints")
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_role("button", name="Create").click()
    return page.locator("code.secret").inner_text()


@pytest.fixture
def reviewer(demo, chromium):
    """A reviewer's page; afterwards the browser must have found nothing to complain of."""
    page = sign_in(chromium, demo, "reviewer")
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    page.context.close()
    assert not complaints


def sign_in(chromium: Any, demo: Demo, role: str) -> Any:
    person = demo.summary["people"][role]
    page = chromium.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(demo.root)
    page.get_by_label("Email").fill(person["email"])
    page.get_by_label("Password").fill(person["password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{demo.root}/")
    return page


def claim(page: Any, demo: Demo, stream: str, mode: str) -> str:
    """Claim the first waiting review of a mode by keyboard; answers upstream's id of its case."""
    page.goto(f"{demo.root}/s/{stream}/queue")
    page.locator("#queue-list tbody tr", has_text=mode).first.locator("a").click()
    page.wait_for_url("**/reviews/*")
    page.keyboard.press("Enter")
    page.locator(".verdict-bar").wait_for()
    return page.locator("h1").inner_text()


def labels(demo: Demo, stream: str) -> list[dict[str, Any]]:
    address = f"{demo.root}/api/v1/streams/{stream}/labels"
    headers = {"Authorization": f"Bearer {demo.summary['api_key']}"}
    answer = requests.get(address, params={"format": "jsonl", "limit": 1000}, headers=headers, timeout=20)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def label_of(demo: Demo, stream: str, external_id: str) -> dict[str, Any]:
    return [entry for entry in labels(demo, stream) if entry.get("external_id") == external_id][-1]


def decided(external_id: str) -> Any:
    return lambda event: event["type"] == "decision.made" and event["data"]["external_id"] == external_id


def test_digits_are_read_with_the_evidence_beside_them(demo, receiver, secret, reviewer):
    page = reviewer
    case = claim(page, demo, "digit-reading", "assisted")
    page.get_by_role("heading", name="Prediction").wait_for()
    page.get_by_text("Base value").wait_for(timeout=30_000)
    assert page.locator(".probabilities tbody tr").count() == 10
    assert 0 < page.locator(".similar-pictures").first.locator("li").count() <= 5
    first = page.url

    page.keyboard.press("3")
    page.get_by_text("Saved “3”").wait_for()
    assert page.url != first
    page.keyboard.press("u")
    page.locator("h1", has_text=re.compile(f"^{re.escape(case)}$")).wait_for()
    page.keyboard.press("8")
    page.get_by_text("Saved “8”").wait_for()

    label = label_of(demo, "digit-reading", case)
    assert (label["class"], label["source"], label["is_honest"]) == ("8", "review", False)
    event = receiver.wait_for(decided(case), secret=secret)
    assert event["data"]["decision"]["class"] == "8"
    assert event["data"]["decision"]["source"] == "human"


def test_tumours_are_answered_before_the_evidence_and_the_answer_is_kept(demo, receiver, secret, reviewer):
    page = reviewer
    case = claim(page, demo, "tumour-triage", "commit then reveal")
    source = page.content()
    assert "Prediction" not in source
    assert 'class="shap' not in source
    assert "onfidence" not in source

    page.keyboard.press("m")
    page.get_by_role("heading", name="Prediction").wait_for()
    page.get_by_text("Base value").wait_for(timeout=30_000)
    assert "exact TreeSHAP" in page.content()
    page.keyboard.press("Enter")
    page.get_by_text("Saved “malignant”").wait_for()

    label = label_of(demo, "tumour-triage", case)
    assert (label["class"], label["source"], label["is_honest"]) == ("malignant", "review", True)
    event = receiver.wait_for(decided(case), secret=secret)
    assert event["data"]["decision"]["class"] == "malignant"


def test_an_audit_is_answered_blind(demo, reviewer):
    page = reviewer
    claim(page, demo, "digit-reading", "blind")

    source = page.content().split("<main", 1)[1]
    assert "without knowing what the model says" in source
    for betrayed in ("Prediction", "probabilities", 'class="shap', "Similar", "onfidence"):
        assert betrayed not in source
    page.keyboard.press("?")
    page.get_by_text("Keyboard shortcuts").last.wait_for()
