"""The training rows in outline: what later inputs are compared with to see drift."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from inference.manifest import Manifest

BINS = 10


def describe(table: Mapping[str, Sequence[Any]], labels: Sequence[str], *, manifest: Manifest) -> dict[str, Any]:
    """A histogram per column, on deciles for numbers, and the count of each class."""
    counts = Counter(labels)
    return {
        "rows": len(labels),
        "columns": {
            column.name: _numbers(table[column.name]) if column.is_numeric else _words(table[column.name])
            for column in manifest.columns
        },
        "classes": {name: counts.get(name, 0) for name in manifest.classes},
    }


def _numbers(values: Sequence[Any]) -> dict[str, Any]:
    known = np.array([float(value) for value in values if value is not None], dtype=np.float64)
    if not known.size:
        return {"kind": "number", "edges": [], "counts": [], "missing": len(values)}
    edges = np.unique(np.quantile(known, np.linspace(0.0, 1.0, BINS + 1)))
    if len(edges) == 1:
        edges = np.append(edges, edges[0] + 1.0)
    counts, _ = np.histogram(known, bins=edges)
    return {
        "kind": "number",
        "edges": edges.tolist(),
        "counts": counts.tolist(),
        "missing": len(values) - int(known.size),
    }


def _words(values: Sequence[Any]) -> dict[str, Any]:
    counts = Counter(value for value in values if value is not None)
    return {
        "kind": "word",
        "values": dict(counts.most_common(200)),
        "missing": sum(v is None for v in values),
    }
