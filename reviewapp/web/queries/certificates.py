"""A stream's certificates: those in force by model version, those that were, and the evidence of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reviewapp.gating import wording
from reviewapp.gating.epochs import epoch_of
from reviewapp.gating.models import Certificate, LabelledHistory
from reviewapp.registry.models import ModelVersion, Stream
from reviewapp.web.actor_names import ActorNames
from reviewapp.web.queries.workshop import versions_with_role

SHOWN = 50


@dataclass(frozen=True)
class Listed:
    certificate: Certificate
    roles: str

    @property
    def promise(self) -> str:
        return wording.promise(self.certificate.target_error, self.certificate.confidence)

    @property
    def sentence(self) -> str:
        return str(self.certificate.evidence.get("sentence", ""))


@dataclass(frozen=True)
class Shown:
    """One certificate with its evidence; rungs are the ladder, strict → loose, as the last look saw it."""

    certificate: Certificate
    rungs: Sequence[dict[str, Any]]
    exam: dict[str, Any] | None
    earlier: Sequence[Certificate]

    @property
    def promise(self) -> str:
        return wording.promise(self.certificate.target_error, self.certificate.confidence)

    @property
    def begun_anew(self) -> str:
        epoch = epoch_of(self.certificate)
        return wording.begun_anew(epoch.restarts, epoch.terms.delta) if epoch.terms else ""

    @property
    def meaning(self) -> str:
        return wording.meaning(self.certificate.confidence)

    @property
    def sentence(self) -> str:
        return str(self.certificate.evidence.get("sentence", ""))


def in_force(stream: Stream) -> list[Listed]:
    """The newest model version first."""
    roles = {version.pk: role for version, role in versions_with_role(stream)}
    found = Certificate.objects.filter(stream=stream, voided_at__isnull=True).select_related("model_version")
    ordered = found.order_by("-model_version__number", "scope")
    return [Listed(one, roles.get(one.model_version_id, "not rolled out")) for one in ordered]


def ended(stream: Stream) -> list[Certificate]:
    """The newest that lost their force, with why."""
    found = Certificate.objects.filter(stream=stream, voided_at__isnull=False).select_related("model_version")
    return list(found.order_by("-voided_at", "-pk")[:SHOWN])


def shown(certificate: Certificate) -> Shown:
    evidence = certificate.evidence
    starts = set(evidence.get("starts") or ())
    rungs = [
        {**rung, "is_start": number in starts, "is_told": rung["threshold"] == evidence.get("at")}
        for number, rung in enumerate(evidence.get("rungs", ()))
    ]
    same = Certificate.objects.filter(
        model_version=certificate.model_version_id, scope=certificate.scope, number__lt=certificate.number
    )
    return Shown(certificate, rungs, evidence.get("exam"), list(same.order_by("-number")[:SHOWN]))


def histories(stream: Stream) -> list[tuple[LabelledHistory, str]]:
    """The newest labelled histories, without their rows."""
    brought = LabelledHistory.objects.filter(stream=stream).defer("rows").select_related("model_version")
    found = list(brought.order_by("-pk")[:SHOWN])
    names = ActorNames([one.created_by for one in found])
    return [(one, names[one.created_by]) for one in found]


def examinable(stream: Stream) -> list[ModelVersion]:
    """The versions whose predictions a history may hold, the newest first."""
    return list(stream.model_versions.order_by("-number")[:SHOWN])
