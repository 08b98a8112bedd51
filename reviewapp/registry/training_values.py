"""What the columns of a model version held in its training rows, read from its stored bundle."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
import structlog

from reviewapp.domain.guardrails import Learned
from reviewapp.registry.models import Bundle, BundleChunk, ModelVersion, Stream
from reviewapp.registry.policy_checks import Fault, fault

log = structlog.get_logger(__name__)

REFERENCE = "reference.json"


def faults(body: Mapping[str, Any], stream: Stream) -> list[Fault]:
    """A policy cannot ask for a comparison that the model has nothing for: it would send every case to people."""
    from reviewapp.registry.actions.versions import primary_of

    if body.get("is_range_checked") is not True:
        return []
    primary = primary_of(stream)
    if primary is None or learned_by(primary.pk) is not None:
        return []
    message = (
        f"“is_range_checked” compares with the model's training rows, and “{primary.name}” brings no record of them: "
        "leave it off."
    )
    return [fault("is_range_checked", message, code="no_training_values")]


@lru_cache(maxsize=64)
def learned_by(model_version_id: UUID) -> Mapping[str, Learned] | None:
    """By column; None where nobody knows: upstream runs the version, or its record is broken. Versions never change."""
    digest = ModelVersion.objects.values_list("bundle", flat=True).get(pk=model_version_id)
    if digest is None:
        return None
    try:
        return _of_bundle(digest)
    except msgspec.DecodeError:
        log.exception("training_values.unreadable", bundle=digest)
        return None


def _of_bundle(digest: str) -> Mapping[str, Learned]:
    manifest = Bundle.objects.values_list("manifest", flat=True).get(pk=digest)
    chunks = BundleChunk.objects.filter(bundle=digest, file=REFERENCE).order_by("number")
    reference = msgspec.json.decode(b"".join(map(bytes, chunks.values_list("data", flat=True))), type=_Reference)
    return {column["name"]: _learned(column, reference.columns.get(column["name"])) for column in manifest["columns"]}


class _Outline(msgspec.Struct):
    """One column of the training rows; `edges` are the deciles of its numbers, from the least to the greatest."""

    edges: list[float] = []
    missing: int | None = None


class _Reference(msgspec.Struct):
    columns: dict[str, _Outline]


def _learned(column: Mapping[str, Any], outline: _Outline | None) -> Learned:
    """A column as the manifest declares it and the training rows filled it."""
    outline = outline or _Outline()
    values = column.get("values")
    return Learned(
        low=min(outline.edges, default=column.get("minimum")),
        high=max(outline.edges, default=column.get("maximum")),
        values=None if values is None else frozenset(values),
        is_missing_known=bool(column.get("nullable") if outline.missing is None else outline.missing),
    )
