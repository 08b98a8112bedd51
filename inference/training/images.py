"""Columns that are the points of a picture, row by row."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inference.training.columns import Inferred
from inference.training.refused import TrainingRefused


def as_pixels(found: Inferred, size: tuple[int, int], *, numbers: NDArray[np.int64]) -> Inferred:
    """The same columns with the range of brightness. Raises TrainingRefused where they are no picture."""
    height, width = size
    if len(found.columns) != height * width:
        raise TrainingRefused(
            f"A picture of {height}x{width} has {height * width} points, and there are {len(found.columns)} columns "
            "left "
            "for them; leave others out with --exclude or correct --image."
        )
    for column in found.columns:
        if not column.is_numeric or column.nullable:
            values = found.table[column.name]
            odd = next((place for place, one in enumerate(values) if one is None or isinstance(one, str)), 0)
            raise TrainingRefused(
                f"Column `{column.name}`, row {numbers[odd]} holds {values[odd] or 'nothing'!r}, no brightness; "
                "correct it "
                "or leave the row out."
            )
    points = np.array([found.table[column.name] for column in found.columns], dtype=np.float64)
    lowest, highest = float(points.min()), float(points.max())
    if lowest == highest:
        raise TrainingRefused("Every point of every picture is equally bright; there is nothing to learn from.")
    columns = [replace(column, minimum=min(lowest, 0.0), maximum=highest) for column in found.columns]
    return Inferred(columns, found.table, found.notes)
