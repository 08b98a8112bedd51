"""The policy workshop in a real browser: asked by typing, slider and mouse, then a draft that is back-tested."""

from typing import Any

import pytest

from tests.demo.installation import PATIENCE, Demo
from tests.e2e.browsers import browser

pytestmark = pytest.mark.e2e
ACTS = ".facts-item:has-text('Acts alone') dd"


@pytest.fixture
def owner(demo: Demo):
    """A policy owner who is signed in."""
    person = demo.summary["people"]["policy_owner"]
    with browser() as chromium:
        page = chromium.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda said: page.faults.append(said.text) if said.type == "error" else None)
        page.goto(demo.root)
        page.fill("[name=login]", person["email"])
        page.fill("[name=password]", person["password"])
        page.click("button[type=submit]")
        page.wait_for_url(f"{demo.root}/")
        yield page


def asked(page: Any, act: Any) -> str:
    """What the page says acts alone once it was asked anew."""
    with page.expect_response(lambda answer: "policy/workshop?" in answer.url):
        act()
    page.wait_for_function("() => !document.querySelector('.htmx-request')")
    return str(page.inner_text(ACTS))


def test_a_threshold_is_tried_and_becomes_a_back_tested_draft(demo: Demo, owner: Any) -> None:
    owner.goto(f"{demo.root}/s/tumour-triage/policy/workshop?answer=benign")
    owner.wait_for_selector("[data-chart=curve] canvas")

    asked(owner, lambda: owner.click("text=a threshold by hand"))
    strict = asked(owner, lambda: owner.fill("#id_threshold", "99.999"))
    owner.focus("[data-mirrors=id_threshold]")
    loose = asked(owner, lambda: owner.keyboard.press("Home"))
    box = owner.locator("[data-chart=curve] canvas").bounding_box()
    dragged = asked(owner, lambda: owner.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2))

    with owner.expect_response(lambda answer: answer.status == 422):
        owner.fill("#id_threshold", "")
    owner.wait_for_selector("#estimate >> text=Threshold: This field is required.")
    owner.faults.clear()  # the browser tells of the refusal
    asked(owner, lambda: owner.fill("#id_threshold", "97"))

    assert float(strict.split("%")[0]) < float(dragged.split("%")[0]) < float(loose.split("%")[0])
    owner.click("text=Draft a policy with it")
    owner.click("text=Write the draft")
    owner.click("text=Back-test it")
    owner.wait_for_selector("text=What cannot be known")
    assert "Cases that change route" in owner.inner_text("main")
    assert owner.faults == []
