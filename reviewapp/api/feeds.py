"""Feeds: decisions and labels in the order they were committed, to be pulled with a cursor.

An event is served once every transaction that began before its own has ended: a slow one is never skipped.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from django.db import connection
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.base import ApiView
from reviewapp.api.pages import choice_of, decode, encode, limit_of, position
from reviewapp.cases.models import Decision, Label
from reviewapp.gating.models import Hold
from reviewapp.gating.rulebook import is_held
from reviewapp.registry.models import Stream

DEFAULT_LIMIT, MAX_LIMIT = 500, 5_000
FORMATS = ["json", "jsonl", "csv"]
# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\x00")

# A bare “xid” in ORDER BY would be the text that is selected, and 10 comes before 9 there.
_ROWS = """
SELECT e.xid::text, e.id, e.type, e.payload, e.created_at FROM events_event e
WHERE stream_id = %(stream)s AND type = ANY(%(types)s) AND xid < pg_snapshot_xmin(pg_current_snapshot())
    AND (xid, id) > (%(xid)s::text::xid8, %(id)s::uuid)
    AND (%(half)s::text IS NULL OR convert_from(payload, 'UTF8')::json #>> '{label,half}' = %(half)s)
ORDER BY e.xid, e.id LIMIT %(limit)s
"""
_START = (0, UUID(int=0))


class DecisionItem(serializers.Serializer[Any]):
    event = serializers.UUIDField()
    type = serializers.CharField(help_text="decision.made, .corrected, .withdrawn or .undone.")
    at = serializers.DateTimeField()
    case = serializers.UUIDField()
    external_id = serializers.CharField()
    generation = serializers.IntegerField()
    sequence = serializers.IntegerField(help_text="Numbers the case's events; a higher one supersedes.")
    decision = serializers.UUIDField()
    source = serializers.ChoiceField(Decision.Source.choices)  # type: ignore[assignment]
    supersedes = serializers.UUIDField(allow_null=True)
    confidence = serializers.FloatField(allow_null=True)
    threshold = serializers.FloatField(allow_null=True)
    certificate_state = serializers.ChoiceField(
        ["certified", "uncertified"], allow_null=True, help_text="What stood behind the threshold; null without one."
    )
    certificate = serializers.UUIDField(allow_null=True)
    policy_version = serializers.IntegerField(allow_null=True)
    model_version = serializers.IntegerField(allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "class": serializers.CharField(allow_null=True)}


class LabelItem(serializers.Serializer[Any]):
    event = serializers.UUIDField()
    type = serializers.CharField(help_text="label.recorded or label.withdrawn.")
    at = serializers.DateTimeField()
    case = serializers.UUIDField()
    external_id = serializers.CharField()
    generation = serializers.IntegerField()
    sequence = serializers.IntegerField()
    source = serializers.ChoiceField(Label.Source.choices)  # type: ignore[assignment]
    is_honest = serializers.BooleanField()
    inclusion_probability = serializers.FloatField(allow_null=True)
    half = serializers.ChoiceField(Label.Half.choices)
    predicted = serializers.CharField(allow_null=True)
    confidence = serializers.FloatField(allow_null=True)
    model_version = serializers.IntegerField(allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "class": serializers.CharField(allow_null=True)}


def _page_of(item: type[serializers.Serializer[Any]], name: str) -> type[serializers.Serializer[Any]]:
    fields = {
        "items": item(many=True),
        "next": serializers.CharField(help_text="`after` of the next call, also when nothing came."),
        "has_more": serializers.BooleanField(),
        "is_held": serializers.BooleanField(help_text="Deliveries of the stream are stopped; nothing is served."),
    }
    return type(name, (serializers.Serializer,), fields)


_PARAMETERS = [
    OpenApiParameter("after", OpenApiTypes.STR, description="`next` of the call before; absent: from the beginning."),
    OpenApiParameter("limit", OpenApiTypes.INT, description=f"1 to {MAX_LIMIT}; {DEFAULT_LIMIT} unless told."),
    OpenApiParameter("format", enum=FORMATS, description="jsonl and csv carry the cursor in the header Next-Cursor."),
]


_HALF = OpenApiParameter(
    "half",
    enum=Label.Half.values,
    description="train: labels that may train a model; certify: those kept to certify it. Both unless told.",
)


class _Feed(ApiView):
    types: ClassVar[Sequence[str]]
    part: ClassVar[str]
    columns: ClassVar[Sequence[str]]
    is_stopped_by_hold: ClassVar[bool] = False

    def serve(self, request: Request, slug: str, *, half: str | None = None) -> Any:
        stream = self.stream(slug)
        kind = choice_of(request, "format", FORMATS) or "json"
        limit = limit_of(request, default=DEFAULT_LIMIT, most=MAX_LIMIT)
        text = request.query_params.get("after")
        after = decode(text, position, UUID, name="after") if text else _START
        stopped = self.is_stopped_by_hold and is_held(stream, Hold.Scope.DELIVERIES)
        rows = [] if stopped else self._rows(stream, after, limit + 1, half=half)
        cursor = encode(*(rows[:limit][-1][:2] if rows else after))
        items = [self._item(row) for row in rows[:limit]]
        has_more = len(rows) > limit
        if kind == "json":
            return Response({"items": items, "next": cursor, "has_more": has_more, "is_held": stopped})
        headers = {"Next-Cursor": cursor, "Has-More": str(has_more).lower(), "Is-Held": str(stopped).lower()}
        if kind == "jsonl":
            return HttpResponse(_lines(items), content_type="application/x-ndjson", headers=headers)
        headers["Content-Disposition"] = f'attachment; filename="{stream.slug}-{self.part}s.csv"'
        return HttpResponse(
            _table(items, self.columns), content_type="text/csv; charset=utf-8; header=present", headers=headers
        )

    def _rows(self, stream: Stream, after: tuple[Any, ...], limit: int, *, half: str | None) -> list[tuple[Any, ...]]:
        values = {"stream": str(stream.pk), "types": list(self.types), "xid": str(after[0]), "id": after[1]}
        with connection.cursor() as cursor:
            cursor.execute(_ROWS, {**values, "half": half, "limit": limit})
            return cursor.fetchall()

    def _item(self, row: tuple[Any, ...]) -> dict[str, Any]:
        _, event_id, type_, content, at = row
        payload = msgspec.json.decode(bytes(content))
        part = payload[self.part]
        behind = part.get("certificate") or {}
        certificate = {"certificate": behind.get("id"), "certificate_state": behind.get("state")}
        event = {"event": event_id, "type": type_, "at": at}
        known = {**payload, **part, **event, **certificate, self.part: part.get("id")}
        return {column: known.get(column) for column in self.columns}


class DecisionsView(_Feed):
    scopes = {"GET": "decisions:read"}
    types = ("decision.made", "decision.corrected", "decision.withdrawn", "decision.undone")
    part = "decision"
    columns = (
        *("event", "type", "at", "case", "external_id", "generation", "sequence", "decision", "class", "source"),
        *("supersedes", "confidence", "threshold", "certificate_state", "certificate"),
        *("policy_version", "model_version"),
    )
    is_stopped_by_hold = True

    @extend_schema(
        operation_id="decision_feed", parameters=_PARAMETERS, responses=_page_of(DecisionItem, "DecisionFeed")
    )
    def get(self, request: Request, stream: str) -> Any:
        """The stream's decisions since a cursor. A hold on deliveries stops it like the webhooks."""
        return self.serve(request, stream)


class LabelsView(_Feed):
    scopes = {"GET": "labels:read"}
    types = ("label.recorded", "label.withdrawn")
    part = "label"
    columns = (
        *("event", "type", "at", "case", "external_id", "generation", "sequence", "class", "source", "is_honest"),
        *("inclusion_probability", "half", "predicted", "confidence", "model_version"),
    )

    @extend_schema(
        operation_id="label_feed", parameters=[*_PARAMETERS, _HALF], responses=_page_of(LabelItem, "LabelFeed")
    )
    def get(self, request: Request, stream: str) -> Any:
        """The stream's labels since a cursor; a later label of a case supersedes the ones before.

        Train with `half=train` alone: a label that trained a model proves nothing about it.
        """
        return self.serve(request, stream, half=choice_of(request, "half", Label.Half.values))


def _lines(items: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(msgspec.json.encode(item) + b"\n" for item in items)


def _table(items: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_cell(item[column]) for column in columns] for item in items)
    return out.getvalue()


def _cell(value: Any) -> Any:
    """A cell that no spreadsheet runs; numbers and times stay what they are."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value
