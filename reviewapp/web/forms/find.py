"""What a person may know of the decision they look for."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from reviewapp.cases.models import Decision
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import ModelVersion, Stream
from reviewapp.web.moments import Moment, parse
from reviewapp.web.queries import find
from reviewapp.web.queries.find import Search

# Why a case took its route, in the words of the desk.
REASONS = {
    "above_threshold": "Confidence reached the threshold",
    "below_threshold": "Confidence below the threshold",
    "no_threshold": "The class has no threshold",
    "never_automate": "The class is never automatic",
    "novel_input": "Novel input",
    "missing_feature": "A required column is missing",
    "stale_features": "The case was too old",
    "out_of_range": "Values the model never learned from",
    "rule": "A rule of the policy",
    "rule_failed": "A rule gave no answer",
    "cap_reached": "As many acted alone as the cap allows",
    "breaker_open": "The class's breaker was open",
    "held": "Automation was on hold",
    "no_policy": "No active policy",
    "scoring_failed": "Could not be scored",
    "model_unavailable": "No model was available",
    "audit": "Drawn for the audit",
    "second_opinion": "Two readings asked for",
    "adjudication": "Two readings differed",
    "reopened": "Reopened",
}
ANY = ""


class ModelField(forms.ModelChoiceField):
    def label_from_instance(self, obj: ModelVersion) -> str:
        return f"{obj.stream.name} {obj.number} ({obj.name})"


class PersonField(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return str(obj.name)


class FindForm(forms.Form):
    when = forms.CharField(
        max_length=60,
        required=False,
        label="Time of the decision",
        widget=forms.TextInput(attrs={"placeholder": "last Tuesday 14:32", "autocomplete": "off"}),
    )
    stream = forms.ChoiceField(required=False)
    model = ModelField(ModelVersion.objects.none(), required=False, empty_label="Any", label="Model version")
    answer = forms.ChoiceField(required=False, label="Class")
    source = forms.ChoiceField(choices=[(ANY, "Any"), *Decision.Source.choices], required=False, label="Made by")
    reason = forms.ChoiceField(choices=[(ANY, "Any"), *REASONS.items()], required=False)
    reviewer = PersonField(None, required=False, empty_label="Any")

    def __init__(self, actor: Actor, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        streams = Stream.objects.visible_to(actor).order_by("name", "pk")
        fields: Any = self.fields
        # A slug is one team's own; a person of several teams finds what is called so in any of them.
        names = {stream.slug: stream.name for stream in streams}
        fields["stream"].choices = [(ANY, "Any"), *names.items()]
        fields["model"].queryset = find.models(actor)
        fields["reviewer"].queryset = find.reviewers(actor)
        classes = sorted({name for stream in streams for name in stream.classes})
        fields["answer"].choices = [(ANY, "Any"), *((name, name) for name in classes)]

    @property
    def is_used(self) -> bool:
        """Whether anything was asked."""
        return any(self.data.get(name, "").strip() for name in self.fields)

    def clean_when(self) -> Moment | None:
        text = self.cleaned_data["when"].replace("\0", "").strip()
        if not text:
            return None
        moment = parse(text, now=timezone.now(), zone=timezone.get_current_timezone())
        if moment is None:
            raise ValidationError(
                "This is no time that can be read; write it like “2026-11-17 14:32”, “last Tuesday 14:32” or "
                "“yesterday 9am”."
            )
        return moment

    def search(self, before: UUID | None) -> Search:
        return Search(**self.cleaned_data, before=before)

    def with_when(self, moment: datetime) -> dict[str, str]:
        """The same question around another time, as a query."""
        given = {name: self.data.get(name, "") for name in self.fields}
        return {**given, "when": timezone.localtime(moment).isoformat()}
