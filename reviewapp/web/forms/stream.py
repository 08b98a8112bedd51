import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from reviewapp.registry.models import Role, StreamRevision


class RevisionForm(forms.Form):
    """One revision as JSON text, exactly as it is stored."""

    kind = forms.ChoiceField(choices=StreamRevision.Kind.choices, widget=forms.HiddenInput)
    body = forms.CharField(
        max_length=1_000_000, widget=forms.Textarea(attrs={"class": "code-area", "spellcheck": "false"})
    )

    def clean_body(self) -> Any:
        try:
            return json.loads(self.cleaned_data["body"], parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ValidationError(f"This is not JSON: {error}") from error

    @classmethod
    def showing(cls, kind: str, body: Any) -> "RevisionForm":
        text = "" if body is None else json.dumps(body, indent=2, ensure_ascii=False)
        form = cls(initial={"kind": kind, "body": text}, prefix=None)
        form.fields["body"].label = str(StreamRevision.Kind(kind).label)
        form.auto_id = f"id_{kind}_%s"
        return form


class MemberForm(forms.Form):
    email = forms.EmailField(help_text="The address the person signs in with.")
    role = forms.ChoiceField(choices=Role.choices)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")
