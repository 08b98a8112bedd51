"""A stream's policy versions: what each says and changes, who took which step, and the back-tests they went with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from reviewapp.gating.models import BackTest
from reviewapp.registry.actions import policies
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import PolicyVersion, Role, Stream
from reviewapp.registry.policies import read_body
from reviewapp.registry.policy_changes import Change, rule_of
from reviewapp.web.actor_names import ActorNames

SHOWN = 30
BACK_TESTS = 10
State = PolicyVersion.State


@dataclass(frozen=True)
class Step:
    """One step in a version's life; `state` is the word of its badge."""

    state: str
    by: str
    at: datetime
    why: str = ""


@dataclass(frozen=True)
class Listed:
    version: PolicyVersion
    steps: Sequence[Step]
    summary: str


@dataclass(frozen=True)
class ClassRule:
    """What a version says of one class, in words."""

    name: str
    rule: str
    is_by_hand: bool
    audit_rate: float | None


@dataclass(frozen=True)
class Shown:
    """A version with all that its page tells; `against` is the version that `changes` begin from."""

    version: PolicyVersion
    steps: Sequence[Step]
    classes: Sequence[ClassRule]
    says: Sequence[tuple[str, str]]
    against: PolicyVersion | None
    changes: Sequence[Change]
    back_tests: Sequence[tuple[BackTest, str]]
    attached: BackTest | None
    approvers: Sequence[str]
    can_approve: bool

    @property
    def is_untested(self) -> bool:
        """Whether a proposal of the draft as it reads now needs a reason."""
        return self.attached is None


def versions_of(stream: Stream, *, before: int | None = None) -> tuple[list[Listed], int | None]:
    """The newest versions, or the newest before a number; and the number before which there are more."""
    found = stream.policy_versions.select_related("restores").order_by("-number")
    versions = list((found if before is None else found.filter(number__lt=before))[: SHOWN + 1])
    shown, names = versions[:SHOWN], _names(versions)
    more = shown[-1].number if len(versions) > SHOWN else None
    return [Listed(one, _steps(one, names), summary(one.body)) for one in shown], more


def can_roll_back(stream: Stream) -> bool:
    active = policies.active_policy(stream)
    return active is not None and policies.predecessor(active) is not None


def shown(version: PolicyVersion, actor: Actor) -> Shown:
    from reviewapp.gating.actions.activation import back_test_of

    against = policies.compared_with(version)
    tests = list(version.back_tests.order_by("-pk")[:BACK_TESTS])
    names = ActorNames([*_actors(version), *(test.created_by for test in tests)])
    owners = policies.approvers(version, by=actor)
    is_proposed = version.state == State.PROPOSED
    return Shown(
        version=version,
        steps=_steps(version, names),
        classes=classes_of(version.stream, version.body),
        says=_beside_classes(policies.diff(None, version)),
        against=against,
        changes=policies.diff(against, version),
        back_tests=[(test, names[test.created_by]) for test in tests],
        attached=_attached(version, tests) if version.back_test_id else back_test_of(version),
        approvers=[person.name for person in owners],
        can_approve=is_proposed and version.proposed_by != str(actor) and actor.has_role(version.stream, OWNERS),
    )


OWNERS = (Role.POLICY_OWNER,)


def classes_of(stream: Stream, body: Mapping[str, Any]) -> list[ClassRule]:
    """Each class of the stream under a policy's body."""
    policy = read_body(body)
    return [
        ClassRule(name, rule_of(policy, name), name in policy.thresholds, policy.audit_rates.get(name))
        for name in stream.classes
    ]


def with_found(body: Mapping[str, Any], found: Mapping[str, str], stream: Stream) -> dict[str, Any]:
    """A body with what the workshop found for one class: a promise, or a threshold by hand in its place."""
    answer, made = found.get("answer"), dict(body)
    if answer not in stream.classes:
        return made
    target, confidence, threshold = (_number(found.get(key)) for key in ("target", "confidence", "threshold"))
    thresholds = {name: value for name, value in made.get("thresholds", {}).items() if name != answer}
    if target is not None and confidence is not None:
        promise = {"target_error": target, "confidence": confidence}
        made |= {"promises": {**made.get("promises", {}), answer: promise}, "thresholds": thresholds}
    elif threshold is not None:
        made["thresholds"] = {**thresholds, answer: threshold}
    return made


def summary(body: Mapping[str, Any]) -> str:
    """Classes under the same rule together: “by certificate for at most 2% with 95% confidence: fraud, theft”."""
    policy = read_body(body)
    by_rule: dict[str, list[str]] = {}
    for name in sorted({*policy.thresholds, *policy.promises, *policy.never_automate}):
        is_by_hand = name in policy.thresholds and name not in policy.never_automate
        rule = f"{rule_of(policy, name)}, uncertified" if is_by_hand else rule_of(policy, name)
        by_rule.setdefault(rule, []).append(name)
    parts = [f"{rule}: {', '.join(names)}" for rule, names in by_rule.items()]
    return " · ".join(parts) or "no promise and no threshold: people decide everything"


def _names(versions: Sequence[PolicyVersion]) -> ActorNames:
    return ActorNames([actor for version in versions for actor in _actors(version)])


def _actors(version: PolicyVersion) -> list[str | None]:
    return [version.created_by, version.proposed_by, version.approved_by]


def _steps(version: PolicyVersion, names: ActorNames) -> list[Step]:
    """What happened to a version, in order. Who activated it is the proposer's or approver's business in the trail."""
    found = [Step("draft", names[version.created_by], version.created_at, version.note)]
    if version.restores is not None:
        found[0] = Step("restored", names[version.created_by], version.created_at, _restored(version))
    elif version.proposed_at is not None and version.proposed_by is not None:
        found.append(Step("proposed", names[version.proposed_by], version.proposed_at, version.untested_because))
    if version.approved_at is not None:
        found.append(Step("approved", names[version.approved_by], version.approved_at))
    if version.activated_at is not None:
        unapproved = version.Unapproved(version.unapproved_because).label if version.unapproved_because else ""
        why = f"Without approval: {unapproved[0].lower()}{unapproved[1:]}." if unapproved else ""
        found.append(Step("active", "", version.activated_at, why))
    if version.retired_at is not None:
        found.append(Step("retired", "", version.retired_at))
    return found


def _restored(version: PolicyVersion) -> str:
    number = version.restores.number if version.restores else 0
    return f"Puts policy {number} back: {version.note}"


def _attached(version: PolicyVersion, tests: Sequence[BackTest]) -> BackTest | None:
    known = next((test for test in tests if test.pk == version.back_test_id), None)
    return known or version.back_tests.filter(pk=version.back_test_id or UUID(int=0)).first()


def _beside_classes(changes: Sequence[Change]) -> list[tuple[str, str]]:
    """What a version says beside its classes, which have a table of their own: what it is about, and what it says."""
    return [_said(change) for change in changes if not change.field.startswith(("classes.", "audit_rates."))]


def _said(change: Change) -> tuple[str, str]:
    if change.field.startswith("rules."):
        # Names and conditions of rules are free text.
        return f"Rule “{change.field.removeprefix('rules.')}”", str(change.after)
    about, _, told = change.sentence.removesuffix(".").partition(": ")
    return about, told.partition(" → ")[2]


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 < value <= 1 else None
