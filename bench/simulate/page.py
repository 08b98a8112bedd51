"""The page of the simulations."""

from collections.abc import Sequence
from itertools import groupby

from bench.simulate.cells import Cell, Figure

TOPICS = {
    "bounds": (
        "How often a bound lies below the truth",
        (
            "One look at a simple random sample. Only the exact bound keeps 5 % in every cell; the others are "
            "shown for comparison."
        ),
    ),
    "weighted": (
        "Reviews and audits together",
        (
            "A threshold is lowered: people have read every case of the band below the old one and a share r "
            "above it. An exam thins the band to the audits' rate; betting weighs each case by the inverse of its "
            "probability."
        ),
    ),
    "money": (
        "Losses in money",
        (
            "The amounts are lognormal, capped at 1,000. “By value” reads a case with a probability in proportion "
            "to its amount."
        ),
    ),
    "walk": (
        "Certified thresholds",
        (
            "“Of the oracle's” is the automation of the certified threshold as a share of what someone who knows "
            "the truth would automate. “Any time” looks fifty times; “uncorrected” takes the loosest rung whose "
            "own test passes."
        ),
    ),
    "peeking": (
        "Looking again and again",
        (
            "One threshold, 1 % promised at 95 %, a look every 20 audits up to 6,000; the planned looks are at "
            "600, 1,000, 1,600, 2,600, 4,000 and 6,000."
        ),
    ),
    "breaker": (
        "The breaker",
        (
            "Its limit allows 5 % false openings a year. Amber starts at √limit/4, or at five times the level "
            "that audits without an error settle at where that is more."
        ),
    ),
    "loop": (
        "A whole deployment",
        (
            "400 cases a day, at most 2 % wrong promised, cold start with everything reviewed, a look at the "
            "betting evidence every day; on day 120 every error rate triples. The median days and the wrong "
            "automatic decisions until the breaker opens are over the deployments in which it does within 80 days; "
            "where fewer than a quarter do, these are told and not compared."
        ),
    ),
}

HEAD = """# Simulations of the gate

Worlds whose truth is known (seed {seed}); `make simulate` writes this page in minutes. A promise may break in 5 % of
the worlds; a cell fails where chance explains its breaks with less than 1 in 10,000. In parentheses stands the figure
expected from an independent simulation of the same methods; automation may fall short of it by 3 points, delays and
bounds may exceed it by 20 and 5 %, and **bold** marks what does.

The worlds: an oracle automates 59, 74 and 96 % of the cases of the calibrated one at 1, 2 and 5 % (overconfident: 43,
57, 78 %; bad tip: 63, 81, 100 %, with 6 % more wrong among the most confident 2 %). Between these the error rate
follows power laws. The error rates among the most confident 6 and 18 % of the overconfident world (0.12 and 0.2 %) were
chosen so that an exam of 5,000 labels reaches the expected automation; that cell shows no more than that there is such
a world.
"""


def render(cells: Sequence[Cell], *, seed: int) -> str:
    """Markdown: a table per topic, one row per cell."""
    parts = [HEAD.format(seed=seed)]
    failed = [(cell, figure) for cell in cells for figure in cell.failures]
    parts.append(_verdict(cells, failed))
    for topic, group in groupby(cells, key=lambda cell: cell.topic):
        title, text = TOPICS[topic]
        parts.append(f"## {title}\n\n{text}\n")
        # Cells with the same figures share a table.
        tables: dict[tuple[str, ...], list[Cell]] = {}
        for cell in group:
            tables.setdefault(tuple(figure.name for figure in cell.figures), []).append(cell)
        for names, alike in tables.items():
            rows = [["", "worlds", *names]]
            rows += [[cell.name, f"{cell.worlds:,}", *map(_text, cell.figures)] for cell in alike]
            parts.append(_table(rows))
    return "\n".join(parts)


def _verdict(cells: Sequence[Cell], failed: Sequence[tuple[Cell, Figure]]) -> str:
    judged = sum(figure.is_kept is not None for cell in cells for figure in cell.figures)
    text = f"{judged - len(failed)} of {judged} compared figures are as expected or better."
    off = [f"- {cell.name}: {figure.name} {_text(figure)}" for cell, figure in failed]
    return "\n".join([text, *(["", "Not:", "", *off] if off else []), ""])


def _text(figure: Figure) -> str:
    value = f"{figure.value:,.{_digits(figure)}f}{_unit(figure.unit)}"
    if figure.expected is not None:
        value += f" ({figure.expected:,.{_digits(figure)}f})"
    return f"**{value}**" if figure.is_kept is False else value


def _unit(unit: str) -> str:
    first = unit.split(" ", maxsplit=1)[0]
    return first if first in {"", "×"} else f" {first}"


def _digits(figure: Figure) -> int:
    if figure.unit in {"×", "% wrong"}:
        return 2
    return 1 if figure.unit.startswith("%") and figure.value < 99.95 else 0


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines) + "\n"
