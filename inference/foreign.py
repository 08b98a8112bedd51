"""Models that others exported: a bare model.onnx with a small manifest.json, and perhaps a sample of rows.

Nothing here runs the model or opens it: `conversion` makes the bundle, in the upload gate's child process.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

from inference import archive, fields
from inference.manifest import Column
from inference.refusal import BundleRefused

MODEL, MANIFEST = "model.onnx", "manifest.json"
# Tensors that the exporter keeps beside the model; they are put into it before anything else.
TENSORS = "tensors.data"
SAMPLES = ("sample.parquet", "sample.csv", "sample.json")
ML_MODEL = "MLmodel"
NAMES = (MODEL, MANIFEST, TENSORS, *SAMPLES)
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
Activation = Literal["none", "softmax", "sigmoid"]


@dataclass(frozen=True)
class Declaration:
    """What manifest.json says of a bare model; whatever is left out is found in the graph."""

    name: str
    columns: tuple[Column, ...]
    classes: tuple[str, ...] = ()  # empty: as the graph names them, or as the stream does
    inputs: Mapping[str, tuple[str, ...]] | None = None  # graph input → columns
    outputs: Mapping[str, str] | None = None  # `probabilities`, `embedding` → graph output
    activation: Activation = "none"  # what is still to be applied to the output
    created: str = ""
    image: Mapping[str, int] | None = None
    owner: str = ""
    licence: str = ""
    lineage: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] | None = None
    explainer: Mapping[str, Any] | None = None

    @classmethod
    def from_json(cls, source: Any) -> "Declaration":
        """Read manifest.json's object; raises BundleRefused naming the field."""
        try:
            return cls._read(source)
        except BundleRefused as refusal:
            # The fields are read by the code that reads a bundle's.
            raise BundleRefused(refusal.code, str(refusal).replace("bundle.json:", f"{MANIFEST}:", 1)) from refusal

    @classmethod
    def _read(cls, source: Any) -> "Declaration":
        if not isinstance(source, Mapping):
            raise fields.invalid("the file", "must hold one object")
        known = [one.name for one in dataclasses.fields(cls)]
        unknown = sorted(set(source) - set(known))
        if unknown:
            raise fields.invalid(f"`{unknown[0]}`", f"is not known; known are {', '.join(known)}")
        columns = tuple(Column.from_json(item) for item in fields.objects(source, "columns"))
        names = [column.name for column in columns]
        if not columns or len(set(names)) != len(names):
            raise fields.invalid("`columns`", "must describe the model's input columns in order, none twice")
        activation = fields.text(source, "activation") or "none"
        if activation not in get_args(Activation):
            raise fields.invalid("`activation`", f"must be one of {', '.join(get_args(Activation))}")
        given_inputs = fields.mapping(source, "inputs")
        return cls(
            name=fields.text(source, "name", required=True),
            columns=columns,
            classes=fields.texts(source, "classes"),
            inputs={name: fields.texts(given_inputs, name) for name in given_inputs} or None,
            outputs={key: str(value) for key, value in fields.mapping(source, "outputs").items()} or None,
            activation=cast("Activation", activation),  # membership was checked above
            created=fields.text(source, "created"),
            image=fields.mapping(source, "image") or None,
            owner=fields.text(source, "owner"),
            licence=fields.text(source, "licence"),
            lineage=fields.mapping(source, "lineage"),
            metrics=fields.mapping(source, "metrics"),
            explainer=fields.mapping(source, "explainer"),
        )


def is_foreign(files: Mapping[str, bytes]) -> bool:
    """Whether these are the files of another's export and not of a bundle."""
    return "bundle.json" not in files and MODEL in files


def declaration_of(files: Mapping[str, bytes]) -> Declaration:
    """What an export's manifest.json says."""
    if MANIFEST not in files:
        raise BundleRefused(
            "manifest_missing",
            f"{MANIFEST} is missing: a bare {MODEL} comes with a small one that gives `name`, `classes` and `columns`.",
        )
    return Declaration.from_json(parse_json(files[MANIFEST], name=MANIFEST))


def declare(files: Mapping[str, bytes], **changes: Any) -> dict[str, bytes]:
    """The same export with some fields of manifest.json set; an empty value changes nothing."""
    wanted = {name: value for name, value in changes.items() if value}
    if not wanted:
        return dict(files)
    source = parse_json(files.get(MANIFEST, b"{}"), name=MANIFEST)
    if not isinstance(source, dict):
        raise BundleRefused("manifest_invalid", f"{MANIFEST}: the file must hold one object.")
    if "outputs" in wanted:
        wanted["outputs"] = {**(source.get("outputs") or {}), **wanted["outputs"]}
    return {**files, MANIFEST: json.dumps({**source, **wanted}).encode()}


def read_upload(data: bytes) -> dict[str, bytes]:
    """The files in a zip: of a bundle, of a bare model with its manifest, or of an MLflow model folder."""
    found: list[str] = []

    def choose(names: list[str]) -> dict[str, str]:
        found.extend(names)
        if any(name.rpartition("/")[2] == ML_MODEL for name in names):
            return _mlflow_members(names)
        models = [name for name in names if name.endswith(".onnx")]
        if "bundle.json" in names or len(models) != 1:
            archive.check_names(names)
            return {name: name for name in names}
        chosen = {name: MODEL if name == models[0] else name for name in names}
        strange = sorted(set(chosen.values()) - set(NAMES))
        if strange:
            raise BundleRefused("file_unexpected", f"{strange[0]!r} is not known here; send {', '.join(NAMES)}.")
        return chosen

    files = archive.read_members(data, choose)
    if ML_MODEL in files:
        from inference import mlflow_folder

        return mlflow_folder.export_of(files)
    return files


def export_of(model: bytes, manifest: bytes, *, sample: bytes = b"", sample_name: str = "") -> dict[str, bytes]:
    """The files of an export, from their contents; the sample's name says its format."""
    files = {MODEL: model, MANIFEST: manifest}
    if sample:
        kind = sample_name.rpartition(".")[2].lower()
        if f"sample.{kind}" not in SAMPLES:
            raise BundleRefused("sample_unknown", f"The sample “{sample_name}” must be a .parquet, .csv or .json file.")
        files[f"sample.{kind}"] = sample
    return files


def parse_json(content: bytes, *, name: str) -> Any:
    """The value of a small JSON file; raises BundleRefused when it is none."""
    if len(content) > MAX_MANIFEST_BYTES:
        raise BundleRefused("json_too_large", f"{name} is larger than 4 MB; leave rows to the sample.")
    try:
        return json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise BundleRefused("json_unreadable", f"{name} is not readable JSON ({error}).") from error


def with_classes(declared: Declaration, classes: tuple[str, ...]) -> Declaration:
    return declared if declared.classes else replace(declared, classes=classes)


def _mlflow_members(names: list[str]) -> dict[str, str]:
    """The files of the one folder that holds the MLmodel; those below it in other folders are not read."""
    roots = [name.removesuffix(ML_MODEL) for name in names if name.rpartition("/")[2] == ML_MODEL]
    if len(roots) > 1:
        raise BundleRefused("mlflow_unclear", "The zip holds more than one MLmodel; send one model folder.")
    inside = {name: name.removeprefix(roots[0]) for name in names if name.startswith(roots[0])}
    return {name: short for name, short in inside.items() if short and "/" not in short and "\\" not in short}
