"""Cases to send: the rows of a public data set that the model never saw, each a little shifted so that none repeats."""

import json
from itertools import count
from typing import Any

import numpy as np

# One numbering for the whole run: an id that was used is never sent again.
_numbers = count(1)
# A batch met twice is up to 2.7 times faster for the branch predictor alone.
_SHIFT = 0.02


def features(rows: list[dict[str, Any]], number: int, *, seed: int) -> list[dict[str, float]]:
    """`number` rows of features, repeatable by their seed."""
    names = list(rows[0])
    table = np.array([[row[name] for name in names] for row in rows])
    draw = np.random.default_rng(seed)
    chosen = table[np.arange(number) % len(table)] * draw.uniform(1 - _SHIFT, 1 + _SHIFT, (number, table.shape[1]))
    return [dict(zip(names, values, strict=True)) for values in chosen.round(6).tolist()]


def bodies(rows: list[dict[str, Any]], number: int, *, seed: int) -> list[dict[str, Any]]:
    """Bodies of intake calls, each with an id of its own."""
    return [{"external_id": f"bench-{next(_numbers)}", "features": one} for one in features(rows, number, seed=seed)]


def encoded(body: Any) -> bytes:
    return json.dumps(body).encode()
