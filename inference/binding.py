"""Runs on a GPU: inputs and outputs bound once per run, batches padded to a few sizes, each size warmed up.

Every new shape makes CUDA plan anew and its arena grow, so only these sizes ever reach it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZES = (1, 8, 32, 128, 512)
Feeds = Mapping[str, NDArray[Any]]


def size_for(rows: int) -> int:
    """The smallest pinned size that holds the rows, or the largest."""
    return next((size for size in SIZES if size >= rows), SIZES[-1])


def run_pinned(session: Any, feeds: Feeds, *, outputs: Sequence[str], options: Any) -> list[NDArray[Any]]:
    """One batch on the session's own device, in pinned sizes; row i of each output belongs to input row i."""
    rows = len(next(iter(feeds.values())))
    parts = [
        _run_bound(
            session, {name: values[start : start + SIZES[-1]] for name, values in feeds.items()}, outputs, options
        )
        for start in range(0, max(rows, 1), SIZES[-1])
    ]
    return parts[0] if len(parts) == 1 else [np.concatenate(columns) for columns in zip(*parts, strict=True)]


def warm_up(session: Any, feeds: Feeds, *, outputs: Sequence[str]) -> None:
    """Run every pinned size once, so that the first case waits for no planning."""
    for size in SIZES:
        run_pinned(
            session, {name: _repeated(values, size) for name, values in feeds.items()}, outputs=outputs, options=None
        )


def _run_bound(session: Any, feeds: Feeds, outputs: Sequence[str], options: Any) -> list[NDArray[Any]]:
    rows = len(next(iter(feeds.values())))
    padded = {name: _repeated(values, size_for(rows)) for name, values in feeds.items()}
    binding = session.io_binding()
    for name, values in padded.items():
        binding.bind_cpu_input(name, np.ascontiguousarray(values))
    for name in outputs:
        binding.bind_output(name, "cpu")
    session.run_with_iobinding(binding, options)
    binding.synchronize_outputs()
    found = binding.copy_outputs_to_cpu()
    return [np.asarray(values)[:rows] for values in found]


def _repeated(values: NDArray[Any], rows: int) -> NDArray[Any]:
    """The first `rows` rows, the last one repeated where there are fewer: a row of zeros may be no valid input."""
    if len(values) >= rows:
        return values[:rows]
    if not len(values):
        return np.zeros((rows, *values.shape[1:]), dtype=values.dtype)
    return np.concatenate([values, np.repeat(values[-1:], rows - len(values), axis=0)])
