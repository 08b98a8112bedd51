"""Labels that are kept to certify models: they must train none, or they would prove nothing about it."""

import numpy as np

from inference.training.refused import TrainingRefused
from inference.training.source import Source

# As the feed of labels names the column and its values.
COLUMN, TRAIN, CERTIFY = "half", "train", "certify"


def trainable(read: Source, *, target: str) -> tuple[Source, str]:
    """The rows that may train, without the column that says so, and a sentence on those left out.

    A file whose column `half` says anything else is left as it is. Raises TrainingRefused when no row is left.
    """
    field = read.fields.get(COLUMN)
    if field is None or target == COLUMN:
        return read, ""
    values = np.array(field.values.to_pylist(), dtype=object)
    if not set(values.tolist()) <= {TRAIN, CERTIFY}:
        return read, ""
    kept = np.flatnonzero(values == TRAIN)
    if not len(kept):
        raise TrainingRefused(
            f"All {len(values):,} rows are of the half “{CERTIFY}”, which is kept to certify models; pull the labels "
            f"with half={TRAIN}."
        )
    left_out = len(values) - len(kept)
    note = f"Left out {left_out:,} rows of the half “{CERTIFY}”: they are kept to certify models." if left_out else ""
    return read.take(kept).without({COLUMN}), note
