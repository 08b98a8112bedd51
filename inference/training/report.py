"""What training found, as lines for a terminal."""

from collections.abc import Sequence
from typing import Any

from inference.manifest import Manifest


def text(manifest: Manifest, *, notes: Sequence[str], warnings: Sequence[str]) -> str:
    """The report; warnings last, where they are seen."""
    metrics, lineage = manifest.metrics, manifest.lineage
    parts = ", ".join(
        f"{lineage[f'{part}_rows']:,} to {verb}"
        for part, verb in (("training", "train"), ("tuning", "tune"), ("validation", "validate"))
    )
    lines = [
        f"{lineage['rows']:,} rows: {parts} ({metrics['method']}).",
        f"{len(manifest.columns)} column{'s' * (len(manifest.columns) != 1)}: {_kinds(manifest)}.",
        *notes,
        "",
        *(_candidate(one) for one in metrics["candidates"]),
        "",
        *(f"{name:<22}{value}" for name, value in figures(metrics)),
        "",
        *(level_in_words(one) for one in metrics["levels"]),
    ]
    if warnings:
        lines += ["", *(f"WARNING: {warning}" for warning in warnings)]
    return "\n".join(lines)


def figures(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    """The figures on validation rows, named."""
    return [
        ("accuracy", f"{metrics['accuracy']:.1%} (the commonest class alone: {metrics['majority_share']:.1%})"),
        ("AUC", f"{metrics['auc']:.3f}"),
        ("log loss", f"{metrics['log_loss']:.3f}"),
        ("calibration error", f"{metrics['ece']:.3f} (ECE, 15 steps)"),
        ("mean confidence", f"{metrics['mean_confidence']:.1%}"),
    ]


def level_in_words(level: dict[str, Any]) -> str:
    """How many cases reach a confidence, and how many of them are right."""
    start = f"At confidence {level['at']:.2f} or more: {level['share']:.1%} of cases"
    return f"{start}." if level["accuracy"] is None else f"{start}, {level['accuracy']:.1%} of them right."


def _candidate(one: dict[str, Any]) -> str:
    mark = "chosen" if one["chosen"] else ""
    return f"{one['kind']:<22}log loss {one['log_loss']:.4f}  {one['seconds']:>6.1f} s  {mark}".rstrip()


def _kinds(manifest: Manifest) -> str:
    counts: dict[str, int] = {}
    for column in manifest.columns:
        counts[column.dtype] = counts.get(column.dtype, 0) + 1
    return ", ".join(f"{number} {name}" for name, number in counts.items())
