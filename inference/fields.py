"""Typed reading of JSON objects; a refusal names the field that is wrong."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from inference.refusal import BundleRefused


def invalid(where: str, remedy: str) -> BundleRefused:
    return BundleRefused("manifest_invalid", f"bundle.json: {where} {remedy}.")


def mapping(source: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = source.get(name, {})
    if not isinstance(value, Mapping):
        raise invalid(f"`{name}`", "must be an object")
    return dict(value)


def text(source: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    value = source.get(name, "")
    if not isinstance(value, str) or "\x00" in value or (required and not value.strip()):
        raise invalid(f"`{name}`", "must be a text without NUL" + (" and not empty" if required else ""))
    return value


def texts(source: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = source.get(name, ())
    if not _is_list(value) or not all(isinstance(item, str) and item and "\x00" not in item for item in value):
        raise invalid(f"`{name}`", "must be a list of texts, none empty")
    if len(set(value)) != len(value):
        raise invalid(f"`{name}`", "must not name anything twice")
    return tuple(value)


def objects(source: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = source.get(name, ())
    if not _is_list(value) or not all(isinstance(item, Mapping) for item in value):
        raise invalid(f"`{name}`", "must be a list of objects")
    return list(value)


def number(source: Mapping[str, Any], name: str) -> float | None:
    value = source.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise invalid(f"`{name}`", "must be a finite number or null")
    return float(value)


def flag(source: Mapping[str, Any], name: str) -> bool:
    value = source.get(name, False)
    if not isinstance(value, bool):
        raise invalid(f"`{name}`", "must be true or false")
    return value


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
