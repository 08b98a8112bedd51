"""`python -m bench [G1 G11 …]`: measures goals on servers of its own and prints a table of ratios."""

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

GOALS = {
    "G1": "g01_bulk",
    "G4": "g04_single",
    "G5": "g05_next",
    "G9": "g09_latency",
    "G10": "g10_rate",
    "G11": "g11_drain",
    "G11R": "g11_rollouts",
    "G12": "g12_decode",
    "G13": "g13_serving",
    "G14": "g14_explain",
    "G15": "g15_beside",
    "G16": "g16_similar",
    "G18": "g18_memory",
}


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every answer was right; a missed goal is a result, a wrong answer is a failure."""
    options = _options(argv)
    # Before any library that would start threads of its own.
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["DJANGO_SETTINGS_MODULE"] = "reviewapp.settings"
    out = options.out.open("w") if options.out else sys.stdout
    try:
        return _run(options, out)
    finally:
        if options.out:
            out.close()


def _run(options: argparse.Namespace, out: TextIO) -> int:
    from bench import machine, table
    from bench.samples import Recorder, Result
    from bench.servers import Installation
    from bench.workbench import Workbench

    recorder = Recorder(out)
    results: list[Result] = []
    with Installation() as installation:
        recorder.write("machine", small=options.small, **machine.describe(installation.data, is_small=options.small))
        bench = Workbench(installation, recorder, rounds=options.rounds, is_small=options.small)
        for key in options.goals:
            module = importlib.import_module(f"bench.goals.{GOALS[key]}")
            try:
                results += module.measure(bench)
            except Exception as error:  # noqa: BLE001 the other goals are measured all the same
                traceback.print_exc()
                results.append(Result(module.GOAL, wrong=f"{type(error).__name__}: {error}"[:200]))
        recorder.write("end", load=os.getloadavg())
    for result in results:
        recorder.write(
            "result",
            goal=result.goal.key,
            title=result.goal.title,
            ratios=result.ratios,
            target=result.goal.target,
            stretch=result.goal.stretch,
            verdict=result.verdict,
            misses=result.misses,
            noisy_rounds=result.noisy,
        )
    print(table.render(results), file=sys.stderr)
    return 1 if any(result.wrong for result in results) else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("goals", nargs="*", metavar="GOAL", help=f"of {', '.join(GOALS)}; without one, all")
    parser.add_argument("--small", action="store_true", help="seconds, to see that it runs and answers right")
    parser.add_argument("--rounds", type=int, default=5, help="ratios per goal (default 5)")
    parser.add_argument("--out", type=Path, help="the JSON lines go here instead of the standard output")
    options = parser.parse_args(argv)
    options.goals = [goal.upper() for goal in options.goals] or list(GOALS)
    unknown = [goal for goal in options.goals if goal not in GOALS]
    if unknown:
        parser.error(f"no such goal: {', '.join(unknown)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
