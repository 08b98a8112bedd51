"""The ladder under a version: its GPU, the CPU; when neither answers, whoever asked goes on to another version."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from reviewapp import inference_client
from reviewapp.cases.actions.serving import ServingPlan
from reviewapp.cases.loading import forget, loaded
from reviewapp.gating.actions import circuits
from reviewapp.gating.models import Circuit
from reviewapp.registry.models import ModelVersion

if TYPE_CHECKING:
    from inference.model import Model
    from inference.predict import Predictions

log = structlog.get_logger(__name__)

Kind = Circuit.Kind
# Of one batch on all its rungs; the lease is longer.
BATCH_SECONDS = 40.0
RUN_SECONDS = 20.0
CPU = "CPUExecutionProvider"


class Unavailable(Exception):
    """No rung of a version answered. While it is not resting, a later batch is to try it again."""

    def __init__(self, error: str, *, is_resting: bool) -> None:
        super().__init__(error)
        self.is_resting = is_resting


class TooSlow(Exception):
    """A batch ran out of time on a sound model: its rows are to be tried apart."""


class Deadline:
    """The moment by which a batch has its answers, whichever rung gives them."""

    def __init__(self, seconds: float = BATCH_SECONDS) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds for the next run. Raises TooSlow when none are left."""
        left = min(self._end - time.monotonic(), RUN_SECONDS)
        if left <= 0:
            raise TooSlow("The batch ran out of time.")
        return left


@dataclass(frozen=True, slots=True)
class Ask:
    """Rows for one version, as JSON; `known` are those whose probabilities need no run."""

    version: ModelVersion
    rows: Sequence[bytes]
    deadline: Deadline
    known: Mapping[int, Sequence[float]] = field(default_factory=dict)


class _ModelFailed(Exception):
    """It was the model, or what it runs on."""


def run(plan: ServingPlan, ask: Ask) -> "Predictions":
    """The rows by one version, on the first rung that answers.

    Raises Unavailable when the version itself is at fault, and what the model raised when the rows are.
    """
    version = ask.version
    is_probe = _is_open(plan, Kind.MODEL_VERSION, version)
    if is_probe and not circuits.take_probe(kind=Kind.MODEL_VERSION, version_id=version.pk):
        raise Unavailable("The version rests after its failures.", is_resting=True)
    error = "The version's GPU rests."
    is_open = is_probe
    for kind, provider in _rungs(plan, version):
        try:
            predictions = _attempt(ask, provider, kind=kind, is_probe=is_probe or _is_open(plan, kind, version))
        except _ModelFailed as failure:
            error = str(failure)
            is_open = circuits.failed(kind=kind, version_id=version.pk, error=error)
            log.warning("model.failed", model=version.number, circuit=kind.value, error=error, is_resting=is_open)
            continue
        _note_success(plan, kind, version)
        if kind is not Kind.MODEL_VERSION:
            _note_success(plan, Kind.MODEL_VERSION, version)
        return predictions
    raise Unavailable(error, is_resting=is_open)


def _rungs(plan: ServingPlan, version: ModelVersion) -> Iterator[tuple[Circuit.Kind, str]]:
    if not inference_client.accelerator():
        yield Kind.MODEL_VERSION, ""
        return
    is_resting = _is_open(plan, Kind.ACCELERATOR, version)
    if not is_resting or circuits.take_probe(kind=Kind.ACCELERATOR, version_id=version.pk):
        yield Kind.ACCELERATOR, ""
    yield Kind.MODEL_VERSION, CPU


def _attempt(ask: Ask, provider: str, *, kind: Circuit.Kind, is_probe: bool) -> "Predictions":
    bundle = ask.version.bundle
    assert bundle is not None
    try:
        model = loaded(bundle, provider=provider)
    except Exception as error:
        raise _ModelFailed(_told(error)) from error
    if kind is Kind.ACCELERATOR and model.provider == CPU:
        forget(bundle, provider=provider)
        raise _ModelFailed(f"{inference_client.accelerator()} took the model and left it to the CPU.")
    try:
        if is_probe:
            _predict(model, replace(ask, rows=ask.rows[:1], known={}))
        return _predict(model, ask)
    except _ModelFailed:
        forget(bundle, provider=provider)
        raise


def _predict(model: "Model", ask: Ask) -> "Predictions":
    limit = ask.deadline.left()
    try:
        return inference_client.predict_json(model, ask.rows, known=ask.known, timeout_s=limit)
    except Exception as error:
        fault = inference_client.fault_of(model, error, rows=ask.rows)
        if fault == "model":
            raise _ModelFailed(_told(error)) from error
        if fault == "time":
            raise TooSlow(_told(error)) from error
        raise


def _note_success(plan: ServingPlan, kind: Circuit.Kind, version: ModelVersion) -> None:
    if (kind.value, version.pk) not in plan.circuits:
        return
    if _is_open(plan, kind, version):
        circuits.close(kind=kind, version_id=version.pk)
        log.info("model.recovered", model=version.number, circuit=kind.value)
    else:
        circuits.succeeded(kind=kind, version_id=version.pk)


def is_resting(plan: ServingPlan, version: ModelVersion) -> bool:
    """Whether the version's own circuit was open when the plan was read."""
    return _is_open(plan, Kind.MODEL_VERSION, version)


def _is_open(plan: ServingPlan, kind: Circuit.Kind, version: ModelVersion) -> bool:
    return plan.circuits.get((kind.value, version.pk), False)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
