"""The published description and its page."""

import json
from typing import Any

import pytest
from django.conf import settings

from reviewapp.accounts.models import User
from tests.api.calling import Caller, description, read_yaml
from tests.api.test_access import OPERATIONS


def test_every_operation_is_described_with_its_problems() -> None:
    described = [(path, method) for path, operations in description()["paths"].items() for method in operations]

    assert description()["openapi"].startswith("3.1")
    assert len(described) == len(OPERATIONS) - 2, "all but the description itself and its page"
    for path, method in described:
        operation = description()["paths"][path][method]
        assert {"401", "403", "503"} <= operation["responses"].keys(), (path, method)
        assert operation["security"] != [{}]


def test_idempotency_key_is_described_where_it_is_honoured() -> None:
    honoured = {
        path
        for path, operations in description()["paths"].items()
        for parameter in operations.get("post", {}).get("parameters", [])
        if parameter["name"] == "Idempotency-Key"
    }
    posts = {path for path, operations in description()["paths"].items() if "post" in operations}

    # Intake knows a case by its own id; a preview writes nothing.
    assert posts - honoured == {
        "/api/v1/streams/{stream}/cases",
        "/api/v1/streams/{stream}/cases/bulk",
        "/api/v1/streams/{stream}/policies/preview-rule",
    }


@pytest.mark.django_db
def test_the_description_is_served_to_keys_and_to_people(api: Caller, person: Any, rosa: User) -> None:
    by_key = api.client.get("/api/v1/schema", headers={**api.headers, "Accept": "application/yaml"})
    by_person = person(rosa).client.get("/api/v1/schema?format=json")

    assert read_yaml(by_key.content) == description()
    assert json.loads(by_person.content)["openapi"].startswith("3.1")


@pytest.mark.django_db
def test_the_page_is_for_people_and_has_nothing_inline(person: Any, rosa: User) -> None:
    page = person(rosa).client.get("/api/v1/docs", headers={"Accept": "text/html"})
    script = person(rosa).client.get("/api/v1/docs?script=")

    assert page.status_code == script.status_code == 200
    content = page.content.decode()
    assert "<style" not in content
    assert content.count("<script") == content.count("<script src=")
    assert "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js" in content
    assert script["Content-Type"].startswith("application/javascript")
    assert "unsafe" not in page["Content-Security-Policy"]


@pytest.mark.django_db
def test_whoever_is_not_signed_in_is_asked_to(nobody: Caller) -> None:
    page = nobody.client.get("/api/v1/docs", headers={"Accept": "text/html"})
    by_machine = nobody.client.get("/api/v1/docs")

    assert page.status_code == 302
    assert page["Location"].startswith("/accounts/login/?next=/api/v1/docs")
    assert by_machine.status_code == 401
    assert by_machine["Content-Type"] == "application/problem+json"
    assert settings.LOGIN_URL == "account_login"
