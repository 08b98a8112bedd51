"""Lists in pages: an opaque cursor says where to go on, so that rows arriving meanwhile shift nothing."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from reviewapp.domain.errors import DomainError

Row = TypeVar("Row", bound=Model)

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class QueryInvalid(DomainError):
    """A query parameter is wrong."""

    code = "query_invalid"
    status = 400


LIMIT = OpenApiParameter(
    "limit", OpenApiTypes.INT, description=f"Rows per page, 1 to {MAX_LIMIT}; {DEFAULT_LIMIT} unless told."
)
CURSOR = OpenApiParameter("cursor", OpenApiTypes.STR, description="`next` of the page before.")
PAGE_PARAMETERS = [CURSOR, LIMIT]


def limit_of(request: Request, *, default: int = DEFAULT_LIMIT, most: int = MAX_LIMIT) -> int:
    text = request.query_params.get("limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise QueryInvalid(f"“limit” must be a whole number from 1 to {most}.")
    return int(text)


def choice_of(request: Request, name: str, options: list[str]) -> str | None:
    """A query parameter that must be one of some words."""
    text = request.query_params.get(name)
    if text is not None and text not in options:
        raise QueryInvalid(f"“{name}” must be one of {', '.join(options)}.")
    return text


def encode(*parts: object) -> str:
    return base64.urlsafe_b64encode(".".join(map(str, parts)).encode()).decode().rstrip("=")


def decode(text: str, *kinds: Callable[[str], Any], name: str = "cursor") -> tuple[Any, ...]:
    """The parts of a cursor. Raises QueryInvalid for anything that is none of ours."""
    try:
        parts = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode().split(".")
        return tuple(kind(part) for kind, part in zip(kinds, parts, strict=True))
    except (binascii.Error, ValueError) as error:
        raise QueryInvalid(f"“{name}” is no cursor of this list.") from error


def position(text: str) -> int:
    """A whole number that PostgreSQL can take as bigint."""
    number = int(text)
    if not 0 <= number < 2**63:
        raise ValueError(text)
    return number


def newest_first(request: Request, rows: "QuerySet[Row]") -> tuple[list[Row], str | None]:
    """A page of rows with time-ordered ids, and the cursor of the next page."""
    limit = limit_of(request)
    cursor = request.query_params.get("cursor")
    if cursor is not None:
        rows = rows.filter(pk__lt=decode(cursor, UUID)[0])
    found = list(rows.order_by("-pk")[: limit + 1])
    more = encode(found[limit - 1].pk) if len(found) > limit else None
    return found[:limit], more


def page(items: list[Any], more: str | None) -> Mapping[str, Any]:
    return {"items": items, "next": more}


def page_of(output: type[serializers.Serializer[Any]], name: str) -> type[serializers.Serializer[Any]]:
    """The serializer of a page of `output`."""
    fields = {
        "items": output(many=True),
        "next": serializers.CharField(allow_null=True, help_text="Cursor of the next page; null at the end."),
    }
    return type(name, (serializers.Serializer,), fields)
