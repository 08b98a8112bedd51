"""Calls of the API. Each answer must be one that the committed description allows."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml
from django.http import HttpResponse
from django.test import Client

DESCRIPTION = Path(__file__).resolve().parents[2] / "docs/reference/openapi.yaml"
ROOT = "/api/v1"
PROBLEM = "application/problem+json"


class Caller:
    """Sends requests as a key, a signed-in person or nobody."""

    def __init__(self, *, key: str | None = None, client: Client | None = None) -> None:
        self.client = client or Client()
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}

    def get(self, path: str, **headers: str) -> Any:
        return self.send("GET", path, headers=headers)

    def post(self, path: str, content: Any = None, **headers: str) -> Any:
        return self.send("POST", path, content, headers=headers)

    def put(self, path: str, content: Any = None, **headers: str) -> Any:
        return self.send("PUT", path, content, headers=headers)

    def patch(self, path: str, content: Any = None, **headers: str) -> Any:
        return self.send("PATCH", path, content, headers=headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.send("DELETE", path, headers=headers)

    def send(
        self,
        method: str,
        path: str,
        content: Any = None,
        *,
        media_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> Any:
        """One call below /api/v1; `content` is JSON unless it is bytes. Header names have _ for -."""
        body = content if isinstance(content, bytes) else _encoded(content)
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in (headers or {}).items()}}
        token = self.client.cookies.get("csrftoken")
        if token is not None:
            sent.setdefault("X-CSRFToken", token.value)
        url = path if path.startswith("/") else f"{ROOT}/{path}"
        response = self.client.generic(method, url, body, content_type=media_type, headers=sent)
        check(method, url, response)
        return response


def _encoded(content: Any) -> bytes:
    import json

    return b"" if content is None else json.dumps(content).encode()


def check(method: str, url: str, response: HttpResponse) -> None:
    """The answer's status, media type and content are as described; problems are whole."""
    media_type = response.get("Content-Type", "").partition(";")[0]
    if response.status_code >= 400:
        assert media_type == PROBLEM, (response.status_code, media_type, response.content[:200])
        content = response.json()
        assert content["status"] == response.status_code
        assert {"type", "title", "detail", "code", "instance"} <= content.keys()
    operation = _operation(method, url.partition("?")[0])
    if operation is None:
        assert response.status_code in {401, 403, 404, 405}, (method, url, response.status_code)
        return
    described = operation["responses"].get(str(response.status_code))
    assert described is not None, f"{method} {url} answers {response.status_code}, which is not described"
    if response.status_code == 204 or media_type not in {"application/json", PROBLEM}:
        return
    validator = _validator(described["content"][media_type]["schema"]["$ref"].rpartition("/")[2])
    wrong = [f"{list(error.instance_path)}: {error.message}" for error in validator.iter_errors(response.json())]
    assert not wrong, (method, url, wrong)


@cache
def description() -> dict[str, Any]:
    return read_yaml(DESCRIPTION.read_text())


def read_yaml(content: str | bytes) -> dict[str, Any]:
    """By libyaml where it is there: PyYAML's own loader takes seconds for the description."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(content)
    read: dict[str, Any] = loader.get_single_data()
    return read


@cache
def _paths() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    # Fixed names before variables: /reviews/claim is no /reviews/{id}.
    paths = sorted(description()["paths"].items(), key=lambda one: one[0].count("{"))
    return [(re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), operations) for path, operations in paths]


def _operation(method: str, path: str) -> Any:
    operations = next((found for pattern, found in _paths() if pattern.fullmatch(path)), None)
    return (operations or {}).get("get" if method == "HEAD" else method.lower())


@cache
def _validator(component: str) -> Any:
    return jsonschema_rs.validator_for(
        {"$ref": f"#/components/schemas/{component}", "components": description()["components"]}, offline=True
    )
