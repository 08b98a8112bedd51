"""`python -m bench.simulate [TOPIC …]`: the gate's statistics in worlds whose truth is known.

Prints JSON lines, and with every topic writes docs/reference/simulations.md. 1 where a figure is not as expected.
"""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/simulations.md"
MODULES = ("bounds", "walks", "breakers", "loop")


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every figure is as expected."""
    options = _options(argv)
    # Before any library that would start threads of its own.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import numpy as np

    from bench.simulate import page
    from bench.simulate.cells import Cell

    cells: list[Cell] = []
    start = perf_counter()
    out = options.out.open("w", encoding="utf-8") if options.out else sys.stdout
    try:
        for place, name in enumerate(MODULES):
            if name not in options.topics:
                continue
            rng = np.random.default_rng([options.seed, place])
            module = importlib.import_module(f"bench.simulate.{name}")
            for cell in module.run(rng, worlds=options.worlds, is_small=options.small):
                cells.append(cell)
                for line in cell.lines():
                    print(json.dumps(line, ensure_ascii=False), file=out, flush=True)
    finally:
        if options.out:
            out.close()
    seconds = perf_counter() - start
    failures = [(cell, figure) for cell in cells for figure in cell.failures]
    for cell, figure in failures:
        print(f"{cell.topic}, {cell.name}: {figure.name} is {figure.value:.4g}", file=sys.stderr)
    if not options.small and len(options.topics) == len(MODULES):
        text = page.render(cells, seed=options.seed)
        PAGE.write_text(text, encoding="utf-8")
    print(f"{len(cells)} cells in {seconds:.1f} s, {len(failures)} figures not as expected", file=sys.stderr)
    return 1 if failures else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.simulate", description=__doc__)
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=f"of {', '.join(MODULES)}; without one, all")
    parser.add_argument("--worlds", type=int, help="per cell (default 2000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", action="store_true", help="seconds, one cell of each kind, no page")
    parser.add_argument("--out", type=Path, help="the JSON lines go here instead of the standard output")
    options = parser.parse_args(argv)
    options.topics = options.topics or list(MODULES)
    unknown = [topic for topic in options.topics if topic not in MODULES]
    if unknown:
        parser.error(f"no such topic: {', '.join(unknown)}")
    options.worlds = options.worlds or (240 if options.small else 2000)
    if options.worlds < 20:
        parser.error("--worlds must be at least 20")
    return options


if __name__ == "__main__":
    sys.exit(main())
