"""Real tables as streams live through them: rows that trained a model, rows people settled since, rows that arrive."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.decode import Decoder, Feeds
from inference.manifest import Column, GraphInput, Manifest

TRAINING, HISTORY, ASKED = 8_000, 6_000, 2_000
# A value that fewer training rows hold is no value of its own.
MIN_ROWS = 20


class SetMissing(Exception):
    """A data set is not where it was looked for."""


@dataclass(frozen=True)
class Recipe:
    """How to read one set. `order`: the column that tells the time, where the set has one."""

    name: str
    file: str
    target: str
    left_out: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    text: str | None = None
    order: str | None = None


@dataclass(frozen=True)
class Part:
    """Rows and what each was settled as, a number per class."""

    rows: Sequence[Mapping[str, Any]]
    truth: NDArray[np.intp]


@dataclass(frozen=True)
class Settled:
    """One set: `training`, then `history` that trained nothing, then `asked`."""

    recipe: Recipe
    columns: tuple[Column, ...]
    classes: tuple[str, ...]
    training: Part
    history: Part
    asked: Part

    @cached_property
    def manifest(self) -> Manifest:
        """What a bundle would say of the columns; the space is fitted to it."""
        numbers = tuple(column.name for column in self.columns if column.is_numeric)
        words = tuple(column.name for column in self.columns if not column.is_numeric)
        inputs = [GraphInput("numbers", "float", numbers)] if numbers else []
        inputs += [GraphInput("words", "string", words)] if words else []
        return Manifest(
            name=self.recipe.name,
            created="2026-01-01T00:00:00Z",
            classes=self.classes,
            columns=self.columns,
            inputs=tuple(inputs),
            outputs={"probabilities": "probabilities"},
        )

    def feeds(self, part: Part) -> Feeds:
        return Decoder(self.manifest).feeds(part.rows)


RECIPES = (
    Recipe(
        "credit_default",
        "credit_default.csv.gz",
        "default payment",
        categories=frozenset({"SEX", "EDUCATION", "MARRIAGE"}),
    ),
    Recipe(
        "hospital_readmission",
        "diabetic_data.csv.gz",
        "readmitted",
        left_out=frozenset({"encounter_id", "patient_nbr", "weight"}),
        categories=frozenset(
            {"admission_type_id", "discharge_disposition_id", "admission_source_id", "diag_1", "diag_2", "diag_3"}
        ),
        order="encounter_id",
    ),
    Recipe(
        "food_inspections",
        "food_inspections.csv.gz",
        "criticalFound",
        # What is known after the visit only, names and places, and the score and split of somebody else's model.
        left_out=frozenset(
            {
                "Inspection_ID",
                "Inspection_Date",
                "License",
                "DBA_Name",
                "Address",
                "Zip",
                "Latitude",
                "Longitude",
                "Results",
                "pass_flag",
                "fail_flag",
                "criticalCount",
                "seriousCount",
                "minorCount",
                "score",
                "Train",
            }
        ),
        order="Inspection_Date",
    ),
    Recipe(
        "tweet_moderation",
        "tweets.csv.gz",
        "class",
        left_out=frozenset({"id", "count", "hate_speech", "offensive_language", "neither"}),
        text="tweet",
    ),
)


def read(recipe: Recipe, data: Path) -> Settled:
    """Read, split in time or at random, and describe the columns by the training rows alone."""
    from pyarrow import csv

    file = data / recipe.name / recipe.file
    if not file.is_file():
        raise SetMissing(f"{file} is missing; --data names the directory that holds {recipe.name}.")
    options = csv.ParseOptions(newlines_in_values=True)
    table = csv.read_csv(file, parse_options=options).to_pydict()
    number = len(table[recipe.target])
    order = np.random.default_rng(0).permutation(number)
    if recipe.order:
        order = order[np.argsort(np.asarray(table[recipe.order]).astype(str)[order], kind="stable")]
        if isinstance(table[recipe.order][0], int):
            order = np.argsort(np.asarray(table[recipe.order]), kind="stable")
    order = order[-(TRAINING + HISTORY + ASKED) :]
    chosen = {name: [_known(values[row]) for row in order] for name, values in table.items()}
    labels = [str(value) for value in chosen[recipe.target]]
    classes = tuple(sorted(set(labels)))
    names = [name for name in chosen if name != recipe.target and name not in recipe.left_out]
    prepared = [_column(name, chosen[name], recipe) for name in names]
    kept = [(column, convert) for column, convert in prepared if column is not None]
    frame = {column.name: [convert(value) for value in chosen[column.name]] for column, convert in kept}
    truth = np.array([classes.index(label) for label in labels])
    rows = [dict(zip(frame, values, strict=True)) for values in zip(*frame.values(), strict=True)]
    first, second = len(rows) - HISTORY - ASKED, len(rows) - ASKED
    return Settled(
        recipe,
        tuple(column for column, _ in kept),
        classes,
        *(Part(rows[a:b], truth[a:b]) for a, b in ((0, first), (first, second), (second, len(rows)))),
    )


def _known(value: Any) -> Any:
    return None if value in {"?", ""} else value


def _column(name: str, values: Sequence[Any], recipe: Recipe) -> tuple[Column | None, Callable[[Any], Any]]:
    """The column as its training rows show it, and how a value is put into it; none where all are alike."""
    seen = [value for value in values[: len(values) - HISTORY - ASKED] if value is not None]
    if name == recipe.text:
        return Column(name, "text", nullable=True), lambda value: value
    if name not in recipe.categories and all(isinstance(value, int | float) for value in seen):
        column = Column(name, "float", nullable=True) if len(set(seen)) > 1 else None
        return column, lambda value: None if value is None else float(value)
    frequent = tuple(sorted(value for value, rows in Counter(map(str, seen)).items() if rows >= MIN_ROWS))
    if len(frequent) < 2:
        return None, str
    return (
        Column(name, "category", nullable=True, values=frequent),
        lambda value: str(value) if str(value) in frequent else None,
    )
