"""`python -m bench.models [SET …] [--data DIR]`: trains on four public data sets and writes docs/reference/models.md.

Every figure of the page is of the rows that neither trained nor tuned the model.
"""

import argparse
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from inference.training.run import Task, Trained, train

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/reference/models.md"

_AFTER_THE_VISIT = ("Results", "pass_flag", "fail_flag", "criticalCount", "seriousCount", "minorCount")
_FOR_SHOWING = ("DBA_Name", "Address", "Zip", "Latitude", "Longitude", "License")


@dataclass(frozen=True)
class DataSet:
    """A file of the shared data, what is learnt from it, and where it comes from."""

    path: str
    task: Task
    about: str
    origin: str


SETS = {
    "credit_default": DataSet(
        "credit_default/credit_default.csv.gz",
        Task("default payment", "credit-default"),
        "Numbers and integer codes, two classes, split by chance.",
        "Yeh (2009), UCI, DOI 10.24432/C55S3H, CC BY 4.0",
    ),
    "food_inspections": DataSet(
        "food_inspections/food_inspections.csv.gz",
        Task(
            "criticalFound",
            "food-inspections",
            time="Inspection_Date",
            id="Inspection_ID",
            # Known only after the visit; meant for showing; and another model's answer.
            exclude=(*_AFTER_THE_VISIT, *_FOR_SHOWING, "score", "Train"),
        ),
        "Numbers and categories, two classes, split by time.",
        "City of Chicago, Chicago/food-inspections-evaluation, MIT-style",
    ),
    "hospital_readmission": DataSet(
        "hospital_readmission/diabetic_data.csv.gz",
        Task("readmitted", "hospital-readmission", id="encounter_id", exclude=("patient_nbr",)),
        "Categories with up to 800 values, many gaps, three classes, split by chance.",
        "Clore et al. (2014), UCI, DOI 10.24432/C5230J, CC BY 4.0",
    ),
    "tweet_moderation": DataSet(
        "tweet_moderation/tweets.csv.gz",
        Task(
            "class",
            "tweet-moderation",
            id="id",
            text=("tweet",),
            # The workers' votes are the answer.
            exclude=("count", "hate_speech", "offensive_language", "neither"),
        ),
        "Free text, three classes, split by chance.",
        "Davidson et al. (2017), t-davidson/hate-speech-and-offensive-language, MIT",
    ),
}


_HEAD = ("data set", "rows", "columns", "classes", "model", "accuracy", "commonest class", "AUC", "ECE", "s", "bundle")
_HOW = """\
Written by `make models`, which trains on each set as `manage.py train` does. Three fifths of the rows train, a fifth
tunes, chooses and calibrates, and the last fifth gives every figure here."""
_NOTE = """\
AUC: of the second of two classes, else the mean of each class against the rest. ECE: expected calibration error of the
predicted class in fifteen equal steps. Seconds: reading, comparing and all else included, with two threads on"""
_TO_GAIN = """\
Cases at or above a confidence, and how many of them are right. A threshold still has to be certified; these are what
there is to gain."""


@dataclass(frozen=True)
class Run:
    """A finished training with what it took."""

    name: str
    trained: Trained
    seconds: float

    @property
    def size(self) -> int:
        return sum(len(content) for content in self.trained.files.values())


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.models", description=__doc__)
    parser.add_argument(
        "sets", nargs="*", metavar="SET", help=f"some of {', '.join(SETS)}; the page is not written then"
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="directory of the data sets")
    options = parser.parse_args(argv)
    unknown = sorted(set(options.sets) - set(SETS))
    if unknown:
        parser.error(f"there is no data set {unknown[0]}; use {', '.join(SETS)}")
    chosen = options.sets or list(SETS)
    missing = [SETS[name].path for name in chosen if not (options.data / SETS[name].path).exists()]
    if missing:
        print(
            f"{options.data / missing[0]} is not there; name the directory of the data sets with --data.",
            file=sys.stderr,
        )
        return 2
    text = page([run(name, options.data) for name in chosen])
    if options.sets:
        print(text)
    else:
        PAGE.write_text(text, encoding="utf-8")
        print(f"{PAGE.relative_to(ROOT)} written")
    return 0


def run(name: str, data: Path) -> Run:
    started = perf_counter()
    trained = train(data / SETS[name].path, SETS[name].task, say=lambda step: print(f"{name}: {step}", file=sys.stderr))
    return Run(name, trained, perf_counter() - started)


def page(runs: list[Run]) -> str:
    """The whole page."""
    sections = [
        "# Models trained on public data",
        _HOW,
        _table(
            _HEAD,
            [_figures(one) for one in runs],
        ),
        f"{_NOTE} {platform.machine()}.",
        "## How much could be automated",
        _TO_GAIN,
        _table(("data set", *(f"≥ {level:.2f}" for level in (0.9, 0.95, 0.99))), [_levels(one) for one in runs]),
        "## What was tried",
        _table(("data set", "model", "log loss on tuning rows", "s"), [row for one in runs for row in _tried(one)]),
        "## The data",
        "\n".join(f"- `{one.name}`: {SETS[one.name].about} {SETS[one.name].origin}." for one in runs),
    ]
    return "\n\n".join(sections) + "\n"


def _figures(one: Run) -> tuple[str, ...]:
    manifest, metrics = one.trained.manifest, one.trained.manifest.metrics
    chosen = next(tried["kind"] for tried in metrics["candidates"] if tried["chosen"])
    return (
        f"`{one.name}`",
        f"{manifest.lineage['rows']:,}",
        str(len(manifest.columns)),
        str(len(manifest.classes)),
        chosen,
        f"{metrics['accuracy']:.1%}",
        f"{metrics['majority_share']:.1%}",
        f"{metrics['auc']:.3f}",
        f"{metrics['ece']:.3f}",
        f"{one.seconds:.0f}",
        f"{one.size / 1024:,.0f} kB",
    )


def _levels(one: Run) -> tuple[str, ...]:
    return (f"`{one.name}`", *map(_level, one.trained.manifest.metrics["levels"]))


def _level(level: dict[str, Any]) -> str:
    if level["accuracy"] is None:
        return "none"
    return f"{level['share']:.1%} of cases, {level['accuracy']:.1%} right"


def _tried(one: Run) -> list[tuple[str, ...]]:
    return [
        (
            f"`{one.name}`",
            tried["kind"] + (" (chosen)" if tried["chosen"] else ""),
            f"{tried['log_loss']:.4f}",
            f"{tried['seconds']:.0f}",
        )
        for tried in one.trained.manifest.metrics["candidates"]
    ]


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    sys.exit(main())
