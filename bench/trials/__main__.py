"""`python -m bench.trials [SET …]`: whole deployments on four public data sets; writes docs/reference/trials.md.

Each set is lived 200 times by the product's rules alone, and some once on the whole product, as `manage.py loop_trial`
does. 1 where promises broke more often than they may.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/reference/trials.md"


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every promise was kept often enough, 1 when one was not, 2 for data that is not there."""
    options = _options(argv)
    # Before any library that would start threads of its own.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewapp.settings")
    import django

    django.setup()
    from bench.trials import page
    from bench.trials.sets import TRIALS

    wanted = [one for one in TRIALS if one.name in options.sets or not options.sets]
    missing = [one for one in wanted if not one.plan(options.data).data.is_file()]
    if missing:
        print(
            f"{missing[0].plan(options.data).data} is not there; name the directory of the data sets with --data.",
            file=sys.stderr,
        )
        return 2
    with TemporaryDirectory() as scratch:
        kept = options.kept or Path(scratch)
        results = [_result(one, options, kept) for one in wanted]
    text = page.render(results, seed=options.seed)
    if options.sets:
        print(text)
    else:
        PAGE.write_text(text, encoding="utf-8")
        print(f"{PAGE.relative_to(ROOT)} written", file=sys.stderr)
    return 0 if all(result.is_kept for result in results) else 1


def _result(one: Any, options: argparse.Namespace, kept: Path) -> Any:
    from bench.trials import repeats
    from bench.trials.page import Result
    from bench.trials.sets import predicted

    plan, started = one.plan(options.data), perf_counter()
    found = predicted(plan, kept=kept)
    outcomes = _repeated(one, plan, found, options, kept)
    seconds = perf_counter() - started
    live = {name: _live(one, name, options.data, kept) for name in one.live} if not options.no_live else {}
    return Result(one, found, repeats.best(plan, found), tuple(outcomes), live, seconds)


def _repeated(one: Any, plan: Any, found: Any, options: argparse.Namespace, kept: Path) -> list[Any]:
    """As many deployments as are asked for; those of an earlier run are taken from where they are kept."""
    from bench.trials import repeats

    file = kept / f"{plan.stream}-{one.promise:g}-{options.seed}.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    outcomes = [repeats.Outcome(**json.loads(line)) for line in lines[: options.repeats]]
    with file.open("a", encoding="utf-8") as out:
        for number in range(len(outcomes), options.repeats):
            outcomes.append(repeats.run(plan, found, seed=options.seed * 100_000 + number))
            print(json.dumps(outcomes[-1].as_json()), file=out, flush=True)
            if (number + 1) % 20 == 0:
                print(f"{one.name}: {number + 1} of {options.repeats}", file=sys.stderr, flush=True)
    return outcomes


def _live(one: Any, name: str, data: Path, kept: Path) -> dict[str, Any]:
    """The summary of a trial on the whole product, from an earlier run where that is kept."""
    file = kept / f"{name}.jsonl"
    if not file.is_file():
        argv = [sys.executable, str(ROOT / "manage.py"), "loop_trial", *one.options(data), *one.live[name].options]
        # Written under its name only when it is complete.
        partial = file.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as out:
            subprocess.run([*argv, "--json"], stdout=out, check=True)
        partial.rename(file)
    summary: dict[str, Any] = json.loads(file.read_text(encoding="utf-8").splitlines()[-1])
    return summary


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.trials", description=__doc__)
    parser.add_argument("sets", nargs="*", metavar="SET", help="some of the sets; the page is not written then")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="directory of the data sets")
    parser.add_argument("--repeats", type=int, default=200, help="deployments per set (200)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kept", type=Path, help="directory of predictions and trials that are not made again")
    parser.add_argument("--no-live", action="store_true", help="leave out the trials on the whole product")
    options = parser.parse_args(argv)
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
