"""The answers to learn: one class per row."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from inference.training.refused import TrainingRefused, listed, shown
from inference.training.source import Field, Source

MIN_PER_CLASS = 20
MAX_CLASSES = 100
_MAX_NAME = 80


@dataclass(frozen=True)
class Answers:
    """The class of each row, by its place in `classes`."""

    classes: tuple[str, ...]
    truth: NDArray[np.intp]

    @property
    def labels(self) -> list[str]:
        return [self.classes[place] for place in self.truth]

    def take(self, rows: NDArray[np.intp]) -> "Answers":
        return Answers(self.classes, self.truth[rows])


def answered(source: Source, name: str) -> tuple[Source, str]:
    """The rows whose answer is known, and a sentence on the others. Raises TrainingRefused."""
    values = source.field(name, option="--target").values
    missing = np.flatnonzero(pc.is_null(values).to_numpy(zero_copy_only=False))
    if not len(missing):
        return source, ""
    if len(missing) == len(source):
        raise TrainingRefused(f"Column `{name}` is empty in every row; training needs the known answers.")
    kept = np.setdiff1d(np.arange(len(source)), missing)
    first = source.numbers[missing[0]]
    return source.take(kept), f"{len(missing):,} rows without `{name}` are left out, the first is row {first}."


def answers(source: Source, name: str, *, classes: Sequence[str] = ()) -> Answers:
    """The answers of every row; `classes` are a stream's, in its order. Raises TrainingRefused."""
    field = source.field(name, option="--target")
    encoded = pc.dictionary_encode(_as_text(field))
    distinct, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
    counts = np.bincount(codes, minlength=len(distinct))
    _check_classes(name, distinct)
    order = tuple(classes) or _ordered(distinct)
    _check_fit(name, distinct, order)
    for place, label in enumerate(distinct):
        if counts[place] < MIN_PER_CLASS:
            row = source.numbers[np.flatnonzero(codes == place)[0]]
            raise TrainingRefused(
                f"Class {shown(label)} of `{name}` has {counts[place]} rows (the first is row {row}), and "
                f"{MIN_PER_CLASS} "
                "are needed; add rows or join it with another class."
            )
    place_of = np.array([order.index(label) for label in distinct], dtype=np.intp)
    return Answers(order, place_of[codes])


def _as_text(field: Field) -> pa.Array:
    kind = field.values.type
    if pa.types.is_string(kind):
        return pc.utf8_trim_whitespace(field.values)
    if pa.types.is_floating(kind) and bool(pc.all(pc.equal(field.values, pc.round(field.values))).as_py()):
        return field.values.cast(pa.int64()).cast(pa.string())
    return field.values.cast(pa.string())


def _check_classes(name: str, distinct: list[str]) -> None:
    if len(distinct) == 1:
        raise TrainingRefused(
            f"Column `{name}` is {shown(distinct[0])} in every row; a model needs at least two classes to tell apart."
        )
    if len(distinct) > MAX_CLASSES:
        raise TrainingRefused(
            f"Column `{name}` has {len(distinct):,} different values, and up to {MAX_CLASSES} classes are told apart; "
            "name another --target or group its values."
        )
    for label in distinct:
        if len(label) > _MAX_NAME:
            raise TrainingRefused(
                f"Column `{name}` holds the class {shown(label)}, longer than {_MAX_NAME} characters; shorten it."
            )


def _check_fit(name: str, distinct: list[str], order: Sequence[str]) -> None:
    extra, lacking = sorted(set(distinct) - set(order)), [one for one in order if one not in distinct]
    if not extra and not lacking:
        return
    parts = [f"`{name}` has {listed(extra)}, which the stream does not know"] if extra else []
    parts += [f"no row has {listed(lacking)}"] if lacking else []
    raise TrainingRefused(
        f"The classes differ from the stream's: {' and '.join(parts)}; correct the data or name another --stream."
    )


def _ordered(distinct: list[str]) -> tuple[str, ...]:
    if all(re.fullmatch(r"-?\d{1,15}", label) for label in distinct):
        return tuple(sorted(distinct, key=int))
    return tuple(sorted(distinct))
