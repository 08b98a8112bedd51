"""An MLflow model folder of the ONNX flavour, read without MLflow: its MLmodel, its graph, its input example."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inference import archive, foreign
from inference.refusal import BundleRefused

MAX_ML_MODEL_BYTES = 1024 * 1024
# MLflow's types of columns and tensors → ours.
_DTYPES = {
    "boolean": "bool",
    "integer": "int",
    "long": "int",
    "float": "float",
    "double": "float",
    "string": "text",
    "bool": "bool",
    "object": "text",
    "str": "text",
}


def is_folder(path: Path) -> bool:
    return (path / foreign.ML_MODEL).is_file()


def read_directory(path: Path) -> dict[str, bytes]:
    """The plain files of a model folder; links are not followed, folders in it not entered."""
    found = {place.name: place for place in sorted(path.iterdir()) if place.is_file() and not place.is_symlink()}
    if sum(place.stat().st_size for place in found.values()) > archive.MAX_TOTAL_BYTES:
        raise archive.too_large()
    return export_of({name: place.read_bytes() for name, place in found.items()})


def export_of(folder: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of an export (see `foreign`) out of an MLflow folder's; raises BundleRefused saying what is missing."""
    about = _read(folder)
    flavour = _part(_part(about, "flavors"), "onnx")
    if not flavour:
        known = ", ".join(sorted(map(str, _part(about, "flavors")))) or "none"
        raise _refused("mlflow_flavour", f"has no `onnx` flavour (it has: {known}); log it with mlflow.onnx.")
    graph = str(flavour.get("data") or "model.onnx")
    if graph not in folder:
        raise BundleRefused("file_missing", f"{graph}, which MLmodel names, is missing in the folder.")
    columns = _columns(about, folder)
    files = {foreign.MODEL: folder[graph], foreign.MANIFEST: json.dumps(_manifest(about, columns)).encode()}
    beside = sorted(name for name in folder if name.endswith((".data", ".onnx_data")))
    if len(beside) > 1:
        raise BundleRefused("mlflow_unclear", f"The folder holds {len(beside)} files of tensors; save them in one.")
    if beside:
        files[foreign.TENSORS] = folder[beside[0]]
    example = _part(about, "saved_input_example_info").get("artifact_path")
    if example in folder:
        files["sample.json"] = folder[str(example)]
    return files


def _read(folder: Mapping[str, bytes]) -> dict[str, Any]:
    import yaml

    content = folder[foreign.ML_MODEL]
    if len(content) > MAX_ML_MODEL_BYTES:
        raise _refused("mlflow_unreadable", "is larger than 1 MB.")
    try:
        about = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _refused("mlflow_unreadable", f"is not readable YAML ({str(error).splitlines()[0][:100]}).") from error
    if not isinstance(about, dict):
        raise _refused("mlflow_unreadable", "must hold one mapping.")
    return about


def _part(source: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = source.get(name)
    return dict(value) if isinstance(value, Mapping) else {}


def _manifest(about: Mapping[str, Any], columns: list[dict[str, Any]]) -> dict[str, Any]:
    metadata = _part(about, "metadata")
    lineage = {
        "mlflow": {
            name: str(about[name])
            for name in ("run_id", "model_uuid", "model_id", "mlflow_version", "artifact_path", "utc_time_created")
            if about.get(name)
        }
    }
    name = str(metadata.get("name") or about.get("name") or about.get("artifact_path") or "mlflow-model")
    known: dict[str, Any] = {
        key: metadata[key] for key in ("classes", "outputs", "activation", "owner", "licence") if key in metadata
    }
    return {
        "name": name.rpartition("/")[2] or "mlflow-model",
        "created": str(about.get("utc_time_created") or ""),
        "columns": columns,
        "lineage": lineage,
        **known,
    }


def _columns(about: Mapping[str, Any], folder: Mapping[str, bytes]) -> list[dict[str, Any]]:
    inputs = _signature(about)
    found: list[dict[str, Any]] = []
    for place, item in enumerate(inputs):
        if not isinstance(item, Mapping):
            raise _refused("mlflow_signature", "has a signature whose inputs are no columns.")
        if item.get("type") == "tensor":
            found += _tensor(item, place, alone=len(inputs) == 1, folder=folder)
        else:
            dtype = _DTYPES.get(str(item.get("type")))
            if dtype is None or not item.get("name"):
                raise _refused("mlflow_signature", f"has an input of the type `{item.get('type')}`, not used here.")
            # Only a number has a way to be missing in a tensor; an optional text is sent empty.
            nullable = item.get("required") is False and dtype in {"float", "text"}
            found.append({"name": str(item["name"]), "dtype": dtype, "nullable": nullable})
    return found


def _signature(about: Mapping[str, Any]) -> list[Any]:
    given = _part(about, "signature").get("inputs")
    try:
        inputs = json.loads(given) if isinstance(given, str) else given
    except ValueError as error:
        raise _refused("mlflow_signature", f"has a signature that is not JSON ({error}).") from error
    if not isinstance(inputs, list) or not inputs:
        raise _refused("mlflow_signature", "has no signature: log the model with one, it names the input columns.")
    return inputs


def _tensor(item: Mapping[str, Any], place: int, *, alone: bool, folder: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """A tensor's columns: the input example names them where it can, else they are numbered."""
    about = _part(item, "tensor-spec")
    shape, kind = about.get("shape") or [], str(about.get("dtype", "")).rstrip("0123456789_")
    dtype = _DTYPES.get({"uint": "integer", "int": "integer"}.get(kind, kind))
    if dtype is None or not all(isinstance(size, int) and size > 0 for size in shape[1:]):
        raise _refused("mlflow_signature", f"has an input tensor of the shape {shape} and type `{about.get('dtype')}`.")
    width = 1
    for size in shape[1:]:
        width *= size
    name = str(item.get("name") or f"input_{place}")
    names = _example_names(folder) if alone else None
    if names is None or len(names) != width:
        names = [name] if width == 1 else [f"{name}_{index}" for index in range(width)]
    return [{"name": one, "dtype": dtype} for one in names]


def _example_names(folder: Mapping[str, bytes]) -> list[str] | None:
    content = folder.get("input_example.json")
    example = foreign.parse_json(content, name="input_example.json") if content else None
    names = example.get("columns") if isinstance(example, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else None


def _refused(code: str, what: str) -> BundleRefused:
    return BundleRefused(code, f"MLmodel {what}")
