"""Policy versions: read, drafted, and every step from a draft to a rollback."""

from collections.abc import Callable
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from reviewapp.api.base import ApiView
from reviewapp.api.idempotency import idempotent
from reviewapp.api.inputs import Input, checked
from reviewapp.api.pages import PAGE_PARAMETERS, newest_first, page, page_of
from reviewapp.domain.errors import NotFound
from reviewapp.gating.actions import activation
from reviewapp.registry.actions import policies
from reviewapp.registry.models import PolicyVersion, Stream

MAX_NOTE = 2_000


class ChangeOutput(serializers.Serializer[Any]):
    field = serializers.CharField()
    before = serializers.JSONField(help_text="Null where it said nothing of it.")
    after = serializers.JSONField(help_text="Null where it says nothing of it.")
    sentence = serializers.CharField()


class PolicySummary(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    state = serializers.ChoiceField(PolicyVersion.State.choices)
    body = serializers.DictField(help_text="Its parts are told in the reference of policies.")
    note = serializers.CharField()
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    proposed_by = serializers.CharField(allow_null=True)
    proposed_at = serializers.DateTimeField(allow_null=True)
    back_test = serializers.UUIDField(allow_null=True, help_text="The back-test it was proposed with.")
    untested_because = serializers.CharField(help_text="Why it was proposed without one; else empty.")
    sent_back_because = serializers.CharField(help_text="Why it was sent back last; empty once proposed again.")
    approved_by = serializers.CharField(allow_null=True, help_text="Another person than `proposed_by`.")
    approved_at = serializers.DateTimeField(allow_null=True)
    sole_owner = serializers.BooleanField(
        help_text="In force unapproved, for nobody else owned the policies of the stream."
    )
    unapproved_because = serializers.ChoiceField(
        ["", *PolicyVersion.Unapproved.values], help_text="Why it came into force unapproved; else empty."
    )
    restores = serializers.IntegerField(allow_null=True, help_text="The version that a rollback put back with it.")
    activated_at = serializers.DateTimeField(allow_null=True)
    retired_at = serializers.DateTimeField(allow_null=True)


class PolicyOutput(PolicySummary):
    compared_with = serializers.IntegerField(
        allow_null=True, help_text="The version that it replaced, or would replace."
    )
    changes = ChangeOutput(many=True)


class PolicyBody(Input):
    body = serializers.JSONField(help_text="An object; its parts are told in the reference of policies.")
    note = serializers.CharField(max_length=MAX_NOTE, required=False, allow_blank=True)


class PolicyEdit(Input):
    body = serializers.JSONField(required=False, help_text="The whole body; it replaces the one before.")
    note = serializers.CharField(max_length=MAX_NOTE, required=False, allow_blank=True)


class ProposeBody(Input):
    untested_because = serializers.CharField(
        max_length=policies.MAX_REASON,
        required=False,
        allow_blank=True,
        help_text="Needed where no back-test of this very body is done.",
    )


class StepReason(Input):
    reason = serializers.CharField(max_length=policies.MAX_REASON, help_text="It stays with the version.")


class PoliciesView(ApiView):
    scopes = {"GET": "streams:read", "POST": "streams:write"}
    is_for_people = True

    @extend_schema(
        operation_id="policy_list", parameters=PAGE_PARAMETERS, responses=page_of(PolicySummary, "PolicyPage")
    )
    def get(self, request: Request, stream: str) -> Response:
        """The stream's policy versions, newest first."""
        found, more = newest_first(request, self.stream(stream).policy_versions.select_related("restores"))
        return Response(page([_summary(one) for one in found], more))

    @extend_schema(operation_id="policy_draft", request=PolicyBody, responses={201: PolicyOutput})
    @idempotent
    def post(self, request: Request, stream: str) -> Response:
        """Write a draft. Every fault of its body is named; nothing changes until it is activated."""
        known = self.stream(stream)
        made = policies.draft(stream=known, by=self.actor, **checked(PolicyBody, request.data))
        headers = {"Location": f"/api/v1/streams/{known.slug}/policies/{made.number}"}
        return Response(_policy(made), status=201, headers=headers)


class PolicyView(ApiView):
    scopes = {"GET": "streams:read", "PATCH": "streams:write"}
    is_for_people = True

    @extend_schema(operation_id="policy_read", responses=PolicyOutput)
    def get(self, request: Request, stream: str, number: int) -> Response:  # noqa: ARG002
        """One version, and what it changes."""
        return Response(_policy(version_of(self.stream(stream), number)))

    @extend_schema(operation_id="policy_edit", request=PolicyEdit, responses=PolicyOutput)
    def patch(self, request: Request, stream: str, number: int) -> Response:
        """Change a draft."""
        found = version_of(self.stream(stream), number)
        given = {"body": found.body, **checked(PolicyEdit, request.data)}
        return Response(_policy(policies.edit(policy=found, by=self.actor, **given)))


class _StepView(ApiView):
    """One step of a version's life: `take` does it with what `accepts` reads from the body."""

    scopes = {"POST": "streams:write"}
    is_for_people = True
    accepts: ClassVar[type[Input]] = Input
    take: ClassVar[Callable[..., PolicyVersion]]

    def step(self, request: Request, stream: str, number: int) -> Response:
        found = version_of(self.stream(stream), number)
        given = checked(self.accepts, request.data or {})
        return Response(_policy(type(self).take(policy=found, by=self.actor, **given)))


class ProposeView(_StepView):
    accepts = ProposeBody
    take = staticmethod(activation.propose)

    @extend_schema(operation_id="policy_propose", request=ProposeBody, responses=PolicyOutput)
    @idempotent
    def post(self, request: Request, stream: str, number: int) -> Response:
        """Ask for another person's approval, with the newest back-test of this body or the reason why there is none."""
        return self.step(request, stream, number)


class ApproveView(_StepView):
    take = staticmethod(policies.approve)

    @extend_schema(operation_id="policy_approve", request=None, responses=PolicyOutput)
    @idempotent
    def post(self, request: Request, stream: str, number: int) -> Response:
        """Agree to what somebody else proposed: for a signed-in policy owner, never for a key."""
        return self.step(request, stream, number)


class SendBackView(_StepView):
    accepts = StepReason
    take = staticmethod(policies.send_back)

    @extend_schema(operation_id="policy_send_back", request=StepReason, responses=PolicyOutput)
    @idempotent
    def post(self, request: Request, stream: str, number: int) -> Response:
        """Make a proposed or approved version a draft again."""
        return self.step(request, stream, number)


class ActivateView(_StepView):
    take = staticmethod(activation.activate)

    @extend_schema(operation_id="policy_activate", request=None, responses=PolicyOutput)
    @idempotent
    def post(self, request: Request, stream: str, number: int) -> Response:
        """Put an approved version in force with the next batch; unapproved only where nobody else could approve it."""
        return self.step(request, stream, number)


class RollBackView(_StepView):
    accepts = StepReason
    take = staticmethod(activation.roll_back)

    @extend_schema(operation_id="policy_roll_back", request=StepReason, responses=PolicyOutput)
    @idempotent
    def post(self, request: Request, stream: str, number: int) -> Response:
        """Leave the active version `number`: answers the new version that puts what was in force before it back."""
        return self.step(request, stream, number)


def version_of(stream: Stream, number: int) -> PolicyVersion:
    found = stream.policy_versions.select_related("stream", "restores").filter(number=number).first()
    if found is None:
        raise NotFound(f"“{stream.name}” has no policy version {number}.", code="policy_unknown")
    return found


def _policy(policy: PolicyVersion) -> dict[str, Any]:
    last = policies.compared_with(policy)
    return {
        **_summary(policy),
        "compared_with": last.number if last else None,
        "changes": [one.as_dict() for one in policies.diff(last, policy)],
    }


def _summary(policy: PolicyVersion) -> dict[str, Any]:
    return {
        "number": policy.number,
        "state": policy.state,
        "body": policy.body,
        "note": policy.note,
        "created_by": policy.created_by,
        "created_at": policy.created_at,
        "proposed_by": policy.proposed_by,
        "proposed_at": policy.proposed_at,
        "back_test": policy.back_test_id,
        "untested_because": policy.untested_because,
        "sent_back_because": policy.sent_back_because,
        "approved_by": policy.approved_by,
        "approved_at": policy.approved_at,
        "sole_owner": policy.unapproved_because == PolicyVersion.Unapproved.SOLE_OWNER,
        "unapproved_because": policy.unapproved_because,
        "restores": policy.restores.number if policy.restores else None,
        "activated_at": policy.activated_at,
        "retired_at": policy.retired_at,
    }
