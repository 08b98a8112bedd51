"""Whether a model's classes and columns are those of a stream; what differs is listed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reviewapp.domain.errors import Invalid
from reviewapp.registry.actions.streams import revision_in_force
from reviewapp.registry.contracts import JSON_TYPES
from reviewapp.registry.models import Stream, StreamRevision

if TYPE_CHECKING:
    from inference.bundle import Column

Fault = dict[str, str]
MAX_TOLD = 12


def check(stream: Stream, *, classes: Sequence[str], columns: "Sequence[Column]", is_ordered: bool = True) -> None:
    """Refuse a model that does not fit the stream; `details["errors"]` lists each class and column that differs.

    A model whose classes can still be put into the stream's order passes `is_ordered=False`.
    """
    of_classes = list(_class_faults(stream, classes, is_ordered=is_ordered))
    faults = [*of_classes, *_column_faults(stream, columns)]
    if not faults:
        return
    told = "; ".join(fault["message"].rstrip(".") for fault in faults[:MAX_TOLD])
    more = f"; and {len(faults) - MAX_TOLD} more" if len(faults) > MAX_TOLD else ""
    raise Invalid(
        f"The model does not fit “{stream.name}”: {told}{more}.",
        code="classes_differ" if of_classes else "columns_differ",
        errors=faults,
    )


def _class_faults(stream: Stream, classes: Sequence[str], *, is_ordered: bool) -> Iterator[Fault]:
    for name in stream.classes:
        if name not in classes:
            yield _fault("classes", "class_missing", f"The model lacks the class “{name}”.")
    for name in classes:
        if name not in stream.classes:
            yield _fault("classes", "class_extra", f"The stream does not have the model's class “{name}”.")
    if is_ordered and sorted(classes) == sorted(stream.classes) and list(classes) != list(stream.classes):
        yield _fault(
            "classes",
            "class_order",
            f"The model's classes are {', '.join(classes)}, "
            f"the stream's stand in the order {', '.join(stream.classes)}; upload the model, and the upload "
            "gate brings them into that order.",
        )


def _column_faults(stream: Stream, columns: "Sequence[Column]") -> Iterator[Fault]:
    revision = revision_in_force(stream, StreamRevision.Kind.CONTRACT)
    if revision is None:
        return
    promised: Mapping[str, Any] = revision.body.get("properties", {})
    required = set(revision.body.get("required", ()))
    for column in columns:
        if column.name in promised:
            yield from _difference(column, promised[column.name], is_required=column.name in required)
        else:
            message = f"The contract does not have the model's column “{column.name}” ({column.dtype})."
            yield _column_fault(column.name, "column_extra", message)
    known = {column.name for column in columns}
    for name in sorted(required - known):
        message = f"The model lacks the column “{name}”, which the contract requires."
        yield _column_fault(name, "column_missing", message)


def _difference(column: "Column", promised: Any, *, is_required: bool) -> Iterator[Fault]:
    """How the contract's column differs from the model's. A contract that says less than a type is taken at that."""
    if not isinstance(promised, Mapping) or not promised.get("type"):
        return
    declared = promised["type"]
    types = set(declared if isinstance(declared, list) else [declared])
    wanted = JSON_TYPES[column.dtype]
    accepted = {wanted, "integer"} if wanted == "number" else {wanted}
    if not types - {"null"} <= accepted:
        kinds = " or ".join(sorted(types - {"null"}))
        message = f"“{column.name}” is {wanted} in the model and {kinds} in the contract."
        yield _column_fault(column.name, "column_type", message)
    elif not column.nullable and ("null" in types or not is_required):
        message = f"“{column.name}” may be missing by the contract, which the model cannot take."
        yield _column_fault(column.name, "column_nullable", message)


def _column_fault(name: str, code: str, message: str) -> Fault:
    return {**_fault(f"columns.{name}", code, message), "column": name}


def _fault(field: str, code: str, message: str) -> Fault:
    return {"field": field, "code": code, "message": message}
