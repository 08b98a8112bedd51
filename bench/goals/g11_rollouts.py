"""G11 with versions side by side: what a canary and a shadow cost the drain, and how soon a rollback holds."""

import json
import time
from typing import TYPE_CHECKING, Any

from bench import fill
from bench.goals.g11_drain import drained
from bench.samples import Goal, Result, Sample, check
from bench.workbench import Workbench

if TYPE_CHECKING:
    from reviewapp.registry.models import ModelVersion

ANCHOR = "the same drain, primary alone"
GOAL = Goal("G11R", "drain with a canary of 10 %", ANCHOR, "cases/s")
SHADOW = Goal("G11R", "drain with a shadow, which looks on afterwards", ANCHOR, "cases/s")
ROLLBACK = Goal(
    "G11R", "rollback under load: commit to the first case by the version before", "may take", "s", 1.0, 0.2, True
)
ALLOWED_SECONDS = 5.0
SHARE = 0.1
PATIENCE = 60.0


def measure(bench: Workbench) -> list[Result]:
    number = bench.size(20_000, 2_000)
    backlog = bench.backlog(number)

    def drain(start: Any, counted: Any) -> Any:
        def sample() -> Sample:
            _alone(bench)
            start()
            fill.clear(bench.database)
            fill.write(bench.database, backlog)
            fill.settle(bench.database)
            return counted(number)

        return sample

    twin = _twin(bench)
    alone = drain(lambda: None, _scored)
    results = [
        bench.compare(GOAL, product=drain(lambda: _start("canary", twin), lambda n: _canaried(bench, n)), anchor=alone),
        bench.compare(
            SHADOW, product=drain(lambda: _start("shadow", twin), lambda n: _shadowed(bench, n)), anchor=alone
        ),
        _rollback(bench, twin, backlog),
    ]
    _alone(bench)
    fill.clear(bench.database)
    return results


def _scored(number: int) -> Sample:
    from reviewapp.cases.actions import scoring

    return Sample(number / drained(scoring.score_batch))


def _canaried(bench: Workbench, number: int) -> Sample:
    sample = _scored(number)
    canary = bench.one("SELECT count(*) FROM cases_prediction WHERE role = 'canary'")
    all_ = bench.one("SELECT count(*) FROM cases_prediction WHERE route IS NOT NULL")
    check(all_ == number, f"{all_} predictions of {number} cases route them")
    check(abs(canary / number - SHARE) < 0.03, f"the canary scored {canary} of {number}")
    return Sample(sample.value, {"canary_share": canary / number, **_looked_on(bench, canary)})


def _shadowed(bench: Workbench, number: int) -> Sample:
    return Sample(_scored(number).value, _looked_on(bench, number))


def _looked_on(bench: Workbench, expected: int) -> dict[str, float]:
    """What comes after: the predictions that only look on, made while nothing waits to be scored."""
    from reviewapp.cases.actions import shadowing

    seconds = drained(shadowing.shadow_batch)
    found = bench.one("SELECT count(*) FROM cases_prediction WHERE role = 'shadow' AND route IS NULL")
    check(found == expected, f"{found} shadow predictions of {expected} cases")
    return {"shadows_per_s": expected / seconds}


def _rollback(bench: Workbench, twin: "ModelVersion", backlog: fill.Backlog) -> Result:
    """A worker of its own process drains; in the middle of it the rollback commits."""
    result = Result(ROLLBACK)
    with bench.installation.product("inference"):
        for number in range(1, bench.rounds + 1):
            fill.clear(bench.database)
            _alone(bench)
            _start("primary", twin)
            fill.write(bench.database, backlog)
            seconds = _roll_back_midway(bench, twin)
            bench.recorder.sample(ROLLBACK, "product", number, Sample(seconds))
            result.product.append(seconds)
            result.anchor.append(ALLOWED_SECONDS)
    return result


def _roll_back_midway(bench: Workbench, twin: "ModelVersion") -> float:
    """Seconds from the commit of the rollback to the first ruling on a prediction of the version before."""
    from reviewapp.cases.actions.intake import INFERENCE_TASK
    from reviewapp.registry.actions import rollouts
    from reviewapp.registry.actors import SYSTEM

    bench.wake(INFERENCE_TASK)
    question = "SELECT count(*) FROM cases_prediction WHERE model_version_id = %s"
    _wait(lambda: bench.one(question, twin.pk), "the new version scored nothing")
    rollouts.roll_back(stream=bench.stream, by=SYSTEM, reason="bench")
    committed = bench.one("SELECT extract(epoch FROM clock_timestamp())::float8")
    first = "SELECT extract(epoch FROM min(created_at))::float8 FROM cases_prediction WHERE model_version_id <> %s"
    at = _wait(lambda: bench.one(first, twin.pk), "the version before scored nothing")
    # A batch that waited for the rollback's lock may rule before this process has read the clock.
    return max(float(at) - float(committed), 0.001)


def _wait(ask: Any, complaint: str) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := ask()):
        check(time.monotonic() < end, complaint)
        time.sleep(0.005)
    return found


def _twin(bench: Workbench) -> "ModelVersion":
    """The same model under another name: what it costs is the second version, not another model."""
    from reviewapp.registry.actions import versions
    from reviewapp.registry.actors import SYSTEM

    files = dict(bench.demo.files)
    files["bundle.json"] = json.dumps({**json.loads(files["bundle.json"]), "name": "twin"}).encode()
    return versions.register_bundle(stream=bench.stream, files=files, by=SYSTEM)


def _start(part: str, twin: "ModelVersion") -> None:
    from reviewapp.registry.actions import rollouts
    from reviewapp.registry.actors import SYSTEM

    if part == "canary":
        rollouts.start_canary(version=twin, share=SHARE, by=SYSTEM)
    elif part == "shadow":
        rollouts.start_shadow(version=twin, by=SYSTEM)
    else:
        rollouts.promote(version=twin, by=SYSTEM)


def _alone(bench: Workbench) -> None:
    """The stream's first version as primary, with nothing beside it."""
    from reviewapp.registry.actions import rollouts
    from reviewapp.registry.actors import SYSTEM

    first = bench.stream.model_versions.select_related("stream", "bundle").get(number=1)
    rollouts.promote(version=first, by=SYSTEM)
    bench.stream.refresh_from_db()
    live = rollouts.lineup_of(bench.stream)
    for shadow in live.shadows if live else ():
        rollouts.stop_shadow(version=shadow, by=SYSTEM)
