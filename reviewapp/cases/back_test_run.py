"""One chunk of a back-test: what is fixed first, what is counted, and what the last one makes of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from reviewapp.cases import back_test_plan as plans
from reviewapp.cases import back_test_reading as reading
from reviewapp.cases.back_test_replay import Acting, Change, Switch, replay
from reviewapp.cases.back_test_result import result_of
from reviewapp.cases.back_test_tally import Counts
from reviewapp.cases.moments import first_id_at, moment_of
from reviewapp.domain.policy import Policy
from reviewapp.gating import guardrails
from reviewapp.gating.models import BackTest
from reviewapp.registry.models import ModelVersion, Stream
from reviewapp.registry.policies import read_body
from reviewapp.writing import write_rows


def advance(test: BackTest, *, max_changes: int) -> bool:
    """Replay the next chunk into the back-test's unsaved `result`; answers whether that was the last one.

    Call it in a transaction that holds the row. At most `max_changes` changed cases are listed in all.
    """
    stream, content = test.policy_version.stream, test.result or {}
    progress = content["progress"]
    state = content["running"] if "running" in content else _begin(test, stream, progress)
    policy = read_body(state["body"])
    counts, switch = Counts.from_dict(state["counts"]), Switch.from_dict(state["switch"])
    rows = reading.rows(stream, test, reached=UUID(state["reached"]), with_inputs=guardrails.looks_at_values(policy))
    changes = replay(rows, acting=_acting(state["plan"], policy), stream=stream, counts=counts, switch=switch)
    listed = changes[: max_changes - state["changes"]]
    _list(test, listed)
    state |= {"counts": counts.as_dict(), "switch": switch.as_dict(), "changes": state["changes"] + len(listed)}
    if len(rows) < reading.CHUNK:
        test.result = result_of(test, counts, state, policy)
        return True
    state["reached"] = str(rows[-1].case_id)
    test.result = {"progress": {**progress, "replayed": progress["replayed"] + len(rows)}, "running": state}
    return False


def _begin(test: BackTest, stream: Stream, progress: Mapping[str, Any]) -> dict[str, Any]:
    """What is fixed before a single outcome is looked at: the body, its thresholds, the least probabilities."""
    body = test.policy_version.body
    policy = read_body(body)
    least, served = reading.least_probabilities(stream, test)
    versions = ModelVersion.objects.filter(pk__in=served).select_related("stream", "bundle").order_by("number")
    return {
        "body": body,
        "plan": {
            str(version.pk): [one.as_dict() for one in plans.thresholds_of(policy, version, stream.classes)]
            for version in versions
        },
        "changed_guardrails": plans.changed_guardrails(policy, stream),
        "counts": Counts(least=least).as_dict(),
        "switch": Switch.of(policy.cap).as_dict(),
        "changes": 0,
        "reached": str(first_id_at(test.period_start)),
        "first_at": progress["first_at"],
    }


def _acting(plan: Mapping[str, Any], policy: Policy) -> dict[UUID, Acting]:
    versions = ModelVersion.objects.select_related("bundle").in_bulk([UUID(pk) for pk in plan])
    return {
        pk: Acting(plans.policy_on(policy, plan[str(pk)]), _trained_until(version)) for pk, version in versions.items()
    }


def _trained_until(version: ModelVersion) -> datetime:
    """Until when cases may have shaped the version: what its lineage says, else its registration."""
    lineage = version.bundle.manifest.get("lineage", {}) if version.bundle else {}
    return moment_of(lineage.get("training_cut_off")) or version.created_at


def _list(test: BackTest, changes: Sequence[Change]) -> None:
    write_rows(
        "gating_backtestchange",
        "back_test_id, case_id, route_before, route_after, class, confidence, truth, reason",
        (
            (
                test.pk,
                one.case_id,
                one.route_before,
                one.route_after,
                one.answer,
                one.confidence,
                one.truth,
                one.reason,
            )
            for one in changes
        ),
    )
