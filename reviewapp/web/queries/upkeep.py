"""How a stream's models are kept answering: circuits after failures, the first tier, kept results."""

from dataclasses import dataclass
from datetime import datetime

from reviewapp.cases.models import CacheUse
from reviewapp.gating.models import Circuit
from reviewapp.registry.actions.rollouts import Lineup, lineup_of
from reviewapp.registry.models import Stream


@dataclass(frozen=True)
class Failing:
    """A model version with failures on its account; without `opened_at` it is asked as ever."""

    number: int
    is_gpu: bool
    failures: int
    detail: str
    opened_at: datetime | None
    probe_at: datetime | None


@dataclass(frozen=True)
class CacheHits:
    number: int
    lookups: int
    share: float


@dataclass(frozen=True)
class Upkeep:
    lineup: Lineup
    failing: list[Failing]
    hits: list[CacheHits]


def upkeep_of(stream: Stream) -> Upkeep | None:
    """None before anything was rolled out."""
    lineup = lineup_of(stream)
    if lineup is None:
        return None
    numbers = dict(stream.model_versions.values_list("pk", "number"))
    circuits = Circuit.objects.filter(subject__in=numbers, kind__in=["model_version", "accelerator"])
    failing = [
        Failing(
            number=numbers[circuit.subject],
            is_gpu=circuit.kind == Circuit.Kind.ACCELERATOR,
            failures=circuit.failures,
            detail=circuit.detail,
            opened_at=circuit.opened_at,
            probe_at=circuit.probe_at,
        )
        for circuit in circuits.order_by("pk")
    ]
    used = CacheUse.objects.filter(model_version__stream=stream, lookups__gt=0).order_by("-model_version__number")
    hits = [CacheHits(numbers[use.model_version_id], use.lookups, use.hits / use.lookups) for use in used]
    return Upkeep(lineup, failing, hits)
