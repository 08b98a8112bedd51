"""What stood behind a case's predictions: the bundles with their preprocessing and lineage, the policies in force."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reviewapp.cases.models import Prediction
from reviewapp.registry.models import ModelVersion, PolicyVersion, Stream
from reviewapp.registry.policies import read_body
from reviewapp.web.queries.policy_versions import ClassRule, classes_of

# More columns than this are counted, not named.
NAMED = 12
IN_GRAPH = "inside the ONNX graph, which takes the columns as they were sent"


@dataclass(frozen=True)
class Line:
    label: str
    text: str
    is_code: bool = False


@dataclass(frozen=True)
class Part:
    title: str
    lines: Sequence[Line]


@dataclass(frozen=True)
class ModelBehind:
    version: ModelVersion
    parts: Sequence[Part]


@dataclass(frozen=True)
class PolicyBehind:
    policy: PolicyVersion
    rules: Sequence[ClassRule]
    novelty_floor: float | None


def models_behind(predictions: Sequence[Prediction]) -> list[ModelBehind]:
    """The model versions of these predictions, which must have been read with their bundles.

    Those that decided come first, then the latest of those that only looked on.
    """
    in_order = sorted(predictions, key=lambda one: one.route is None)
    versions = {one.model_version_id: one.model_version for one in in_order}
    return [ModelBehind(version, _parts(version)) for version in versions.values()]


def policies_behind(stream: Stream, predictions: Sequence[Prediction]) -> list[PolicyBehind]:
    """The policy versions that routed these predictions, with their thresholds of today's classes."""
    policies = {one.policy_version_id: one.policy_version for one in predictions if one.policy_version}
    return [
        PolicyBehind(policy, classes_of(stream, policy.body), read_body(policy.body).novelty_floor)
        for policy in policies.values()
        if policy is not None
    ]


def _parts(version: ModelVersion) -> list[Part]:
    if version.bundle is None:
        return []
    manifest = version.bundle.manifest
    parts = [
        Part("Preprocessing", _preprocessing(manifest)),
        Part("Calibration", _lines(manifest.get("calibration") or {"method": "none declared"})),
        Part("Lineage", _lines({**manifest.get("lineage", {}), "created": manifest.get("created")})),
        Part("Measured before it was registered", _lines(manifest.get("metrics", {}))),
    ]
    return [part for part in parts if part.lines]


def _preprocessing(manifest: Mapping[str, Any]) -> list[Line]:
    columns = manifest.get("columns", ())
    inputs = [
        f"{one['name']}: {len(one['columns'])} column{'s' if len(one['columns']) != 1 else ''} as {one['dtype']}"
        for one in manifest.get("inputs", ())
    ]
    lines = [Line("Where", IN_GRAPH), Line("Columns", _named(columns)), Line("Graph inputs", "; ".join(inputs))]
    made = len(manifest.get("transformed", ()))
    return [*lines, Line("Values after it", str(made))] if made else lines


def _named(columns: Sequence[Mapping[str, Any]]) -> str:
    if len(columns) > NAMED:
        kinds = sorted({column["dtype"] for column in columns})
        return f"{len(columns)} columns ({', '.join(kinds)})"
    return ", ".join(f"{column['name']} ({column['dtype']})" for column in columns)


def _lines(content: Mapping[str, Any]) -> list[Line]:
    return [
        Line(name.replace("_", " ").capitalize(), _text(value), is_code=name.endswith("digest"))
        for name, value in content.items()
        if value not in (None, "", [], {})
    ]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(one)}" for name, one in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_text, value[:NAMED])) + (f" and {len(value) - NAMED} more" if len(value) > NAMED else "")
    return str(value)
