"""`python -m bench.neighbours`: do similar cases help where the model is unsure or wrong? Measured on real tables.

Beside the product's space stand plain standardised columns and the model's own output; and what the novelty of each
prediction catches and costs. With `--write` the tables of docs/reference/similar.md are made anew.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "similar.md"


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every set was measured; a set that is missing is named and nothing is written."""
    options = _options(argv)
    # Before any library that would start threads of its own.
    os.environ["OMP_NUM_THREADS"] = "1"
    from bench import novelty_catch, precedents, settled_sets

    measured = []
    try:
        for recipe in settled_sets.RECIPES:
            print(f"{recipe.name} …", file=sys.stderr, flush=True)
            measured.append(precedents.measure(settled_sets.read(recipe, options.data)))
    except settled_sets.SetMissing as missing:
        print(missing, file=sys.stderr)
        return 2
    tables = {
        "precedents": precedents.table(measured),
        "novelty": precedents.novelty_table(measured),
        "catch": novelty_catch.table(novelty_catch.measure()),
    }
    for name, lines in tables.items():
        print(f"\n{name}\n{lines}")
    if options.write:
        PAGE.write_text(_filled(PAGE.read_text(), tables))
    return 0


def _filled(page: str, tables: dict[str, str]) -> str:
    """The page with each table between its marks replaced."""
    for name, lines in tables.items():
        before, _, rest = page.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- end of {name} -->")
        if not end:
            raise SystemExit(f"{PAGE} has no place for the table “{name}”.")
        page = f"{before}<!-- {name} -->\n{lines}\n{end}{after}"
    return page


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.neighbours", description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="the directory of the sets")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.relative_to(ROOT)}")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
