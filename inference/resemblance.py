"""Why two cases are similar: in which columns they agree, and in which they differ most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from inference import words
from inference.manifest import Manifest

SHOWN = 3
SHOWN_WORDS = 6
# Numbers agree when they lie within this many standard deviations of each other.
_NEAR = 0.2
# A column that makes up less of the squared distance than this does not tell the two apart.
_NOTICED = 0.05

Features = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One column of two cases, with the value in each."""

    column: str
    value: Any
    other: Any


@dataclass(frozen=True, slots=True)
class Resemblance:
    """`agree`: the most important columns in which two cases are alike; `differ`: what keeps them apart, most first.

    `words`: those that the texts of both hold, the most telling first.
    """

    agree: tuple[Part, ...]
    differ: tuple[Part, ...]
    words: tuple[str, ...]


def compare(manifest: Manifest, features: Features, others: Sequence[Features]) -> list[Resemblance]:
    """How one case resembles each of the others, by the columns of the space."""
    columns = [column for column in manifest.neighbours["columns"] if column["weight"] > 0]
    columns.sort(key=lambda column: -column["weight"])
    return [_resemblance(columns, features, other) for other in others]


def _resemblance(columns: Sequence[Mapping[str, Any]], features: Features, other: Features) -> Resemblance:
    apart = [(column, _squared(column, features, other)) for column in columns]
    total = sum(squared for _, squared in apart) or 1.0
    different = sorted((-squared / total, place) for place, (_, squared) in enumerate(apart))
    return Resemblance(
        agree=tuple(
            _part(column, features, other)
            for column, squared in apart
            if column["kind"] != "text"
            and squared <= column["weight"] * _NEAR**2
            and _is_known(features, other, column["name"])
        )[:SHOWN],
        differ=tuple(
            _part(apart[place][0], features, other)
            for share, place in different
            if -share >= _NOTICED and apart[place][0]["kind"] != "text"
        )[:SHOWN],
        words=_common(columns, features, other),
    )


def _squared(column: Mapping[str, Any], features: Features, other: Features) -> float:
    """The column's part of the squared distance, as the space measures it."""
    mine, its = features.get(column["name"]), other.get(column["name"])
    weight = float(column["weight"])
    if column["kind"] == "number":
        return weight * ((_number(mine, column) - _number(its, column)) / float(column["scale"])) ** 2
    if mine == its:
        return 0.0
    if column["kind"] == "category":
        return weight * ((mine in column["values"]) + (its in column["values"]))
    one, two = (words.weights(text or "", words=column["words"], rare=column["rare"]) for text in (mine, its))
    return weight * sum((one.get(word, 0.0) - two.get(word, 0.0)) ** 2 for word in one.keys() | two.keys())


def _common(columns: Sequence[Mapping[str, Any]], features: Features, other: Features) -> tuple[str, ...]:
    found: dict[str, float] = {}
    for column in columns:
        if column["kind"] == "text":
            mine, its = (
                words.weights(case.get(column["name"]) or "", words=column["words"], rare=column["rare"])
                for case in (features, other)
            )
            found |= {word: mine[word] * its[word] for word in mine.keys() & its.keys()}
    return tuple(sorted(found, key=lambda word: (-found[word], word))[:SHOWN_WORDS])


def _part(column: Mapping[str, Any], features: Features, other: Features) -> Part:
    return Part(column["name"], features.get(column["name"]), other.get(column["name"]))


def _number(value: Any, column: Mapping[str, Any]) -> float:
    # A missing number sits at the centre, as in the space.
    if value is None or not isfinite(value):
        return float(column["centre"])
    return float(value)


def _is_known(features: Features, other: Features, name: str) -> bool:
    return features.get(name) is not None and other.get(name) is not None
