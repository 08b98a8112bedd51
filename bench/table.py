"""The table at the end: one line per comparison, missed goals as plainly as met ones."""

import statistics
from collections.abc import Sequence

from bench.samples import Result

HEAD = ("goal", "what", "product", "anchor", "ratio (range)", "target", "stretch", "result")


def render(results: Sequence[Result]) -> str:
    """Markdown, aligned, so that it reads in a terminal too."""
    rows = [HEAD, *(_row(result) for result in results)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _row(result: Result) -> tuple[str, ...]:
    goal = result.goal
    sign = "≤" if goal.is_less_better else "≥"
    remarks = [result.verdict, *result.misses]
    if result.wrong:
        remarks.append(result.wrong)
    if result.noisy:
        remarks.append("noisy rounds: " + ", ".join(map(str, result.noisy)))
    return (
        goal.key,
        f"{goal.title} [{goal.unit}]",
        _median(result.product),
        f"{_median(result.anchor)} {goal.anchor}".strip(),
        _ratios(result.ratios),
        f"{sign} {goal.target:g}" if goal.target is not None else "-",
        f"{sign} {goal.stretch:g}" if goal.stretch is not None else "-",
        "; ".join(remarks),
    )


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):,.4g}" if values else ""


def _ratios(ratios: Sequence[float]) -> str:
    if not ratios:
        return "not run"
    return f"{statistics.median(ratios):.3g} ({min(ratios):.3g}–{max(ratios):.3g})"
