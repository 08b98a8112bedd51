"""What a look makes of an epoch: state, threshold, and the evidence that a certificate keeps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from reviewapp.domain.policy import Policy
from reviewapp.gating import proof, wording
from reviewapp.gating.actions.ladders import Served
from reviewapp.gating.counting import Counted
from reviewapp.gating.epochs import Epoch
from reviewapp.gating.models import Certificate
from reviewapp.gating.proof import Look

State = Certificate.State


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one look at one class. `held`: the threshold that the epoch had certified before."""

    answer: str
    epoch: Epoch
    state: State
    look: Look | None
    counted: Counted
    at: datetime
    held: float | None = None

    @property
    def threshold(self) -> float | None:
        return self.epoch.held if self.state == State.CERTIFIED else None

    def is_that_of(self, certificate: Certificate) -> bool:
        """Whether the certificate in force says so already."""
        return (
            (self.state, self.threshold) == (certificate.state, certificate.threshold)
            and self.epoch.number == certificate.evidence.get("epoch")
            and (self.epoch.terms is None) == (certificate.evidence.get("ladder") is None)
            and (self.epoch.terms is None or self.epoch.terms.delta == certificate.evidence.get("delta"))
        )


def judge(answer: str, epoch: Epoch, counted: Counted, *, policy: Policy, now: datetime) -> Finding:
    """Look at the epoch's counts. What acted and breaks its promise ends the epoch: labels from now on must earn it."""
    if epoch.terms is None:
        state = State.VIOLATED if epoch.violated else State.CERTIFIED if epoch.held is not None else State.UNPROVEN
        return Finding(answer, epoch, state, None, counted, now)
    held = epoch.held
    look = proof.look(epoch.terms, counted.counts, held=held, examined=epoch.examined)
    state = State(look.state.value)
    if state == State.CERTIFIED:
        epoch = replace(
            epoch,
            held=look.threshold,
            expires_at=epoch.expires_at or now + timedelta(days=policy.certificate_days),
            fresh_from=epoch.fresh_from or now,
            violated=None,
        )
    elif state == State.VIOLATED and epoch.held is not None:
        broken = {"threshold": epoch.held, "audits": look.audits, "wrong": look.wrong, "at": now.isoformat()}
        anew = Epoch(epoch.number + 1, now, violated=broken, restarts=epoch.restarts, reached_in=epoch.reached_in)
        return Finding(answer, anew, state, None, counted, now)
    elif epoch.violated:
        state = State.VIOLATED
    return Finding(answer, epoch, state, look, counted, now, held)


def evidence(
    finding: Finding,
    *,
    policy: Policy,
    policy_number: int,
    cut: UUID | None,
    served: Served | None,
    before: Mapping[str, Any],
) -> dict[str, Any]:
    """All that is needed to come to the same finding again, and what is told of it."""
    content: dict[str, Any] = {
        **finding.epoch.as_dict(),
        "held": finding.held,
        "policy": policy_number,
        "certificate_days": policy.certificate_days,
        "cut": str(cut) if cut else None,
        "snapshot": finding.counted.snapshot,
        "labels": finding.counted.labels,
        "labels_per_day": served.labels_per_day if served else before.get("labels_per_day", 0.0),
        "scores_needed": proof.MIN_SCORES,
        "scores": len(served.scores) if served else before.get("scores", 0),
    }
    if finding.look is not None:
        told = asdict(finding.look)
        content |= {key: told[key] for key in ("at", "audits", "wrong", "bound", "more_needed")}
        content["rungs"] = list(told["rungs"])
        content["share"] = next(rung.share for rung in finding.look.rungs if rung.threshold == finding.look.at)
    return content | {"sentence": wording.standing(finding.state.value, content)}
