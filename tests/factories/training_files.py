"""Files of rows with known answers, small enough to train on in a test."""

import csv
import gzip
import io
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

WORDS = {"late": ["waited", "slow", "week"], "broken": ["cracked", "dent", "glass"]}
NOTES = ['said "fine"', "two\nlines", "comma, here", "größe 5", ""]


def parcels(rows: int = 400, *, seed: int = 0, three: bool = False) -> dict[str, list[Any]]:
    """Every kind of column: gaps, codes, categories with a rare value, a switch, free text, a constant, an id."""
    draw = random.Random(seed)
    table: dict[str, list[Any]] = {name: [] for name in NAMES}
    for number in range(rows):
        weight, zone, depot = draw.gauss(10, 3), draw.randint(1, 4), draw.choice("abcdefgh")
        is_member, carrier = draw.random() < 0.5, draw.randint(0, 39)
        score = (weight - 10) / 2 + (zone == 3) * 2 - is_member + (depot in "ab") + (carrier % 5 == 0) - 0.5
        late = score + draw.gauss(0, 1) > 0
        kind = "late" if late else "broken"
        note = (
            " ".join([*draw.sample(WORDS[kind], 2), draw.choice(NOTES)]) if draw.random() < 0.7 else draw.choice(NOTES)
        )
        answer = "lost" if three and draw.random() < 0.15 else kind
        day = f"2024-{1 + number * 11 // rows:02d}-{1 + number % 28:02d}"
        values = [
            f"P{number:05d}",
            "" if draw.random() < 0.1 else f"{weight:.3f}",
            zone,
            "" if draw.random() < 0.05 else f"depot {depot}",
            str(is_member),
            f"carrier-{carrier:02d}",
            note,
            "EUR",
            day,
            answer,
        ]
        for name, value in zip(table, values, strict=True):
            table[name].append(value)
    return table


NAMES = ("parcel", "weight", "zone", "depot", "is_member", "carrier", "note", "currency", "day", "outcome")
# As the command is asked to train on them.
OPTIONS = {"target": "outcome", "id": "parcel", "time": "day", "text": ("note",)}


def write(path: Path, table: Mapping[str, Sequence[Any]]) -> Path:
    """The table as CSV, gzipped where the name says so."""
    content = io.StringIO(newline="")
    writer = csv.writer(content)
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    raw = content.getvalue().encode()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path
