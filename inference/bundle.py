"""Bundle format v1: the files, the manifest and the checks that run before a model does."""

import json
from collections.abc import Mapping
from typing import Any

from inference import fields, tables
from inference.archive import FILES, digest, read_directory, read_zip, write_directory, write_zip
from inference.manifest import Column, GraphInput, Manifest
from inference.refusal import BundleRefused

__all__ = [
    "FILES",
    "BundleRefused",
    "Column",
    "GraphInput",
    "Manifest",
    "check",
    "digest",
    "read_directory",
    "read_manifest",
    "read_zip",
    "write_directory",
    "write_zip",
]

MAX_JSON_BYTES = 8 * 1024 * 1024


def check(files: Mapping[str, bytes]) -> Manifest:
    """Check every file without running the model; raises BundleRefused with the first fault found."""
    from inference import graph, novelty

    manifest = read_manifest(files)
    if manifest.remote is None:
        graph.check(files["model.onnx"], manifest)
    elif files["model.onnx"]:
        raise BundleRefused("remote_with_graph", "bundle.json names a remote model; leave model.onnx empty.")
    tables.read_background(manifest, files["background.parquet"])
    tables.read_golden(manifest, files["golden.parquet"])
    _check_reference(_read_json(files, "reference.json"), manifest)
    novelty.check(manifest)
    return manifest


def read_manifest(files: Mapping[str, bytes]) -> Manifest:
    """The manifest alone, with the presence of all files checked."""
    for name in FILES:
        if name not in files:
            raise BundleRefused("file_missing", f"{name} is missing; a bundle holds exactly {', '.join(FILES)}.")
    unexpected = sorted(set(files) - set(FILES))
    if unexpected:
        raise BundleRefused("file_unexpected", f"{unexpected[0]!r} does not belong into a bundle; leave it out.")
    return Manifest.from_json(_read_json(files, "bundle.json"))


def _read_json(files: Mapping[str, bytes], name: str) -> Any:
    content = files[name]
    if len(content) > MAX_JSON_BYTES:
        raise BundleRefused("json_too_large", f"{name} is larger than 8 MB; leave samples to the parquet files.")
    try:
        return json.loads(content.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BundleRefused("json_unreadable", f"{name} is not readable JSON ({error}); export it again.") from error


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _check_reference(reference: Any, manifest: Manifest) -> None:
    if not isinstance(reference, dict):
        raise BundleRefused("reference_invalid", "reference.json must hold one object; export it again.")
    columns, classes = fields.mapping(reference, "columns"), fields.mapping(reference, "classes")
    if sorted(columns) != sorted(manifest.column_names) or sorted(classes) != sorted(manifest.classes):
        raise BundleRefused(
            "reference_invalid",
            "reference.json must describe exactly the columns and classes of bundle.json.",
        )
