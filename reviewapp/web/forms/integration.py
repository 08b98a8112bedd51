"""Forms of what a team shares with upstream: endpoints and keys."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone

from reviewapp.accounts.models import Team
from reviewapp.events.actions import PUBLISHED
from reviewapp.registry.actions.clients import SCOPES
from reviewapp.registry.models import Stream

FOR_STREAMS = "None chosen: every stream of the team."


def fresh_page() -> str:
    """What tells one showing of a form from the next: a form that is sent again, as by a reload, bears the same."""
    return secrets.token_urlsafe(16)


def _checkboxes() -> forms.CheckboxSelectMultiple:
    return forms.CheckboxSelectMultiple(attrs={"class": "form-check-input me-1"})


class TeamForm(forms.Form):
    """A form about something of one team, asked for only where the person runs several."""

    team = forms.ModelChoiceField(Team.objects.none(), empty_label=None)
    streams = forms.ModelMultipleChoiceField(
        Stream.objects.none(), required=False, help_text=FOR_STREAMS, widget=_checkboxes()
    )

    def __init__(self, teams: Sequence[Team], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = [team.pk for team in teams]
        chosen: Any = self.fields["team"]
        chosen.queryset = Team.objects.filter(pk__in=own).order_by("name", "pk")
        if len(own) == 1:
            chosen.initial, chosen.widget = own[0], forms.HiddenInput()
        streams: Any = self.fields["streams"]
        streams.queryset = Stream.objects.filter(team__in=own).order_by("name", "pk")


class EndpointForm(TeamForm):
    url = forms.URLField(max_length=500, label="Address", assume_scheme="https")
    description = forms.CharField(max_length=200, required=False)
    event_types = forms.MultipleChoiceField(
        choices=[(name, name) for name in sorted(PUBLISHED - {"endpoint.pinged"})],
        required=False,
        label="Events",
        help_text="None chosen: every event.",
        widget=_checkboxes(),
    )
    field_order = ("team", "url", "description", "event_types", "streams")


class DisableForm(forms.Form):
    reason = forms.CharField(max_length=200)


class RotateForm(forms.Form):
    latest = forms.IntegerField(min_value=0, help_text="Number of the secret that was in force on the page.")


class KeyForm(TeamForm):
    client_name = forms.CharField(
        max_length=120, label="Client", help_text="The upstream system that will use the key."
    )
    scopes = forms.MultipleChoiceField(choices=[(scope, scope) for scope in SCOPES], widget=_checkboxes())
    days = forms.IntegerField(
        required=False, min_value=1, max_value=3650, label="Expires after days", help_text="Empty: it does not expire."
    )
    page = forms.CharField(max_length=64, initial=fresh_page, widget=forms.HiddenInput())
    field_order = ("team", "client_name", "scopes", "streams", "days", "page")

    def clean(self) -> dict[str, Any]:
        """The content as the action takes it: an expiry instead of days."""
        cleaned = super().clean() or self.cleaned_data
        days = cleaned.pop("days", None)
        cleaned["expires_at"] = timezone.now() + timedelta(days=days) if days else None
        return cleaned
