from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from reviewapp.admin_bases import ReadOnlyAdmin
from reviewapp.registry.actions import members, streams
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import (
    ApiKey,
    Bundle,
    Client,
    Membership,
    ModelVersion,
    Rollout,
    RolloutMember,
    Stream,
    StreamRevision,
)


@admin.register(Stream)
class StreamAdmin(admin.ModelAdmin):
    """Opened by its action. Classes are fixed from then on: models, thresholds and labels speak of them."""

    list_display = ("name", "slug", "team", "review_mode", "blind_share")
    list_filter = ("team", "review_mode")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    fields = ("team", "name", "slug", "description", "classes", "review_mode", "blind_share", "sla", "retention")

    def get_prepopulated_fields(self, request: HttpRequest, obj: Stream | None = None) -> dict[str, Any]:  # noqa: ARG002
        return {} if obj else {"slug": ("name",)}

    def get_readonly_fields(self, request: HttpRequest, obj: Stream | None = None) -> tuple[str, ...]:  # noqa: ARG002
        return ("team", "slug", "classes") if obj else ("retention",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def save_model(self, request: HttpRequest, obj: Stream, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        names = ("team", "slug", "name", "classes", "review_mode", "description", "blind_share", "sla")
        given = {name: form.cleaned_data[name] for name in names}
        opened = streams.create(by=Actor.for_user(request.user), **given)
        obj.pk, obj._state.adding = opened.pk, False


class MembershipForm(forms.ModelForm):
    """Refuses here what the action would refuse."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        team, stream = cleaned.get("team"), cleaned.get("stream")
        if team is not None and stream is not None and stream.team_id != team.pk:
            self.add_error("stream", "This stream is another team's.")
        return cleaned


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):
    """Every role given, changed or taken back here is an event, as it is anywhere else."""

    form = MembershipForm
    list_display = ("user", "role", "stream", "team")
    list_filter = ("role", "team")
    search_fields = ("user__email",)
    autocomplete_fields = ("user",)

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        by = Actor.for_user(request.user)
        given = {name: form.cleaned_data[name] for name in ("team", "user", "stream", "role")}
        if change:
            members.change(membership=obj, by=by, **given)
            return
        made = members.appoint(by=by, **given)
        obj.pk, obj._state.adding = made.pk, False

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        members.dismiss(membership=obj, by=Actor.for_user(request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        by = Actor.for_user(request.user)
        with transaction.atomic():
            for membership in queryset.select_related("team").order_by("pk"):
                members.dismiss(membership=membership, by=by)


@admin.register(StreamRevision)
class StreamRevisionAdmin(ReadOnlyAdmin):
    list_display = ("stream", "kind", "number", "created_at", "created_by")
    list_filter = ("stream", "kind")


@admin.register(Bundle)
class BundleAdmin(ReadOnlyAdmin):
    list_display = ("digest", "state", "size", "created_at")
    list_filter = ("state",)


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = ("stream", "number", "name", "kind", "created_at", "created_by")
    list_filter = ("stream", "kind")


class RolloutMemberInline(admin.TabularInline):
    model = RolloutMember
    extra = 0


@admin.register(Rollout)
class RolloutAdmin(ReadOnlyAdmin):
    list_display = ("stream", "generation", "created_at", "created_by", "reason")
    list_filter = ("stream",)
    inlines = (RolloutMemberInline,)


@admin.register(Client)
class ClientAdmin(ReadOnlyAdmin):
    list_display = ("name", "team", "created_at")


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = ("prefix", "client", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")
    exclude = ("digest",)
