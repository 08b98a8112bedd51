"""Opening a demo stream: model, rollout, policy, display and guideline. What is already there stays as it is."""

from collections.abc import Callable, Mapping
from typing import Any

from reviewapp import inference_client
from reviewapp.accounts.models import Team
from reviewapp.gating.actions import activation
from reviewapp.monitoring.demo.people import Person
from reviewapp.monitoring.demo.plans import Plan
from reviewapp.registry.actions import bundles, policies, streams, versions
from reviewapp.registry.models import Stream, StreamRevision

UNTESTED = "The stream is new: there is no past period to test it on."


def ensure(plan: Plan, *, team: Team, people: Mapping[str, Person], train: Callable[[], Mapping[str, bytes]]) -> Stream:
    """The stream, serving and gated; `train` gives the bundle and is called only when no model serves yet."""
    stream = Stream.objects.filter(team=team, slug=plan.slug).select_related("team").first()
    if stream is None:
        stream = streams.create(
            team=team,
            slug=plan.slug,
            name=plan.name,
            description=plan.description,
            classes=plan.classes,
            review_mode=plan.review_mode,
            blind_share=plan.blind_share,
            sla=plan.sla,
            by=people["lead"].actor,
        )
    if policies.active_policy(stream) is None:
        _activate_policy(stream, plan, people["policy_owner"], people["second_policy_owner"])
    if stream.live_rollout_id is None:
        _roll_out(stream, train(), people["model_owner"])
    _describe(stream, plan, people["lead"])
    return stream


def _activate_policy(stream: Stream, plan: Plan, owner: Person, second: Person) -> None:
    draft = policies.draft(stream=stream, body=dict(plan.policy), note=plan.policy_note, by=owner.actor)
    proposed = activation.propose(policy=draft, by=owner.actor, untested_because=UNTESTED)
    activation.activate(policy=policies.approve(policy=proposed, by=second.actor), by=owner.actor)


def _roll_out(stream: Stream, files: Mapping[str, bytes], owner: Person) -> None:
    version = bundles.register(stream=stream, files=files, by=owner.actor)
    versions.roll_out(primary=version, by=owner.actor, reason="First model of the stream.")


def _describe(stream: Stream, plan: Plan, lead: Person) -> None:
    primary = versions.primary_of(stream)
    if primary is not None and primary.bundle is not None:
        columns = inference_client.manifest(primary.bundle.manifest).columns
        _revise_first(stream, StreamRevision.Kind.DISPLAY, plan.display(columns), lead)
    _revise_first(stream, StreamRevision.Kind.GUIDELINE, {"text": plan.guideline}, lead)


def _revise_first(stream: Stream, kind: str, body: dict[str, Any], lead: Person) -> None:
    if streams.revision_in_force(stream, kind) is None:
        streams.revise(stream=stream, kind=kind, body=body, by=lead.actor)
