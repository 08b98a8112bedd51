from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from reviewapp.admin_bases import ReadOnlyAdmin
from reviewapp.domain.errors import DomainError
from reviewapp.gating.actions import activation
from reviewapp.gating.models import AuditRate, Breaker, Certificate, Circuit, Hold
from reviewapp.registry.actions import policies
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import PolicyVersion
from reviewapp.registry.policies import check_body


class PolicyForm(forms.ModelForm):
    """A draft's body, refused here as the action would refuse it."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        stream = cleaned.get("stream") or (None if self.instance._state.adding else self.instance.stream)
        if stream is not None and "body" in cleaned:
            try:
                check_body(cleaned["body"], stream)
            except DomainError as error:
                self.add_error("body", str(error))
        return cleaned


@admin.register(PolicyVersion)
class PolicyVersionAdmin(admin.ModelAdmin):
    """Thresholds are written as a draft; “Activate” puts one in force. Both are the actions everybody uses."""

    form = PolicyForm
    list_display = ("stream", "number", "state", "note", "created_at", "activated_at")
    list_filter = ("stream", "state")
    ordering = ("stream__slug", "-number")
    fields = ("stream", "body", "note", "number", "state", "created_by", "created_at", "activated_at", "retired_at")
    actions = ("activate",)
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: PolicyVersion | None = None) -> list[str]:  # noqa: ARG002
        if obj is None:
            return [name for name in self.fields if name not in {"stream", "body", "note"}]
        return [name for name in self.fields if name != "body"]

    def has_change_permission(self, request: HttpRequest, obj: PolicyVersion | None = None) -> bool:
        is_fixed = obj is not None and obj.state != PolicyVersion.State.DRAFT
        return not is_fixed and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def save_model(self, request: HttpRequest, obj: PolicyVersion, form: Any, change: bool) -> None:  # noqa: ARG002
        by = Actor.for_user(request.user)
        if change:
            policies.edit(policy=obj, body=obj.body, by=by)
            return
        written = policies.draft(stream=obj.stream, body=obj.body, note=obj.note, by=by)
        obj.pk, obj.number, obj._state.adding = written.pk, written.number, False

    @admin.action(description="Activate")
    def activate(self, request: HttpRequest, queryset: QuerySet[PolicyVersion]) -> None:
        """Put the chosen draft in force; one at a time, because a stream has one active policy."""
        for policy in queryset.select_related("stream").order_by("pk"):
            try:
                activation.activate(policy=policy, by=Actor.for_user(request.user))
            except DomainError as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                self.message_user(request, f"{policy} is in force.", messages.SUCCESS)


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    list_display = ("scope", "stream", "reason", "placed_by", "placed_at", "lifted_at")


@admin.register(AuditRate)
class AuditRateAdmin(ReadOnlyAdmin):
    list_display = ("stream", "answer", "day", "rate", "cause")
    list_filter = ("stream",)


@admin.register(Certificate)
class CertificateAdmin(ReadOnlyAdmin):
    list_display = ("model_version", "scope", "number", "state", "threshold", "expires_at")
    list_filter = ("state",)


@admin.register(Breaker)
class BreakerAdmin(ReadOnlyAdmin):
    list_display = ("stream", "answer", "segment", "state", "changed_at")


@admin.register(Circuit)
class CircuitAdmin(ReadOnlyAdmin):
    list_display = ("kind", "subject", "failures", "opened_at", "probe_at")
