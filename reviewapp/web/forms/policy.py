from typing import Any

from django import forms

from reviewapp.gating.models import Hold
from reviewapp.registry.models import Stream


class PolicyForm(forms.Form):
    """A policy's body as fields: per class a threshold, an audit rate and whether it may ever act alone."""

    note = forms.CharField(
        max_length=500, required=False, help_text="What changes, and why: it stays with the version."
    )
    novelty_floor = forms.FloatField(
        required=False,
        min_value=0,
        max_value=1,
        label="Novelty floor",
        help_text="Cases that fewer than this share of the training cases were stranger than go to people, whatever "
        "the confidence: 0.02 sends about 2% of ordinary cases and most of those unlike them. Empty: no limit.",
        widget=forms.NumberInput(attrs={"step": "any"}),
    )

    def __init__(self, stream: Stream, *args: Any, body: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stream = stream
        body = body or {}
        self.fields["novelty_floor"].initial = body.get("novelty_floor")
        for number, name in enumerate(stream.classes):
            self.fields[f"threshold_{number}"] = _share(f"Threshold of {name}", body.get("thresholds", {}).get(name))
            self.fields[f"audit_{number}"] = _share(f"Audit rate of {name}", body.get("audit_rates", {}).get(name))
            self.fields[f"never_{number}"] = forms.BooleanField(
                required=False,
                label=f"Never decide {name} automatically",
                initial=name in body.get("never_automate", ()),
            )

    def rows(self) -> list[dict[str, Any]]:
        """The fields of each class, for the table."""
        return [
            {
                "name": name,
                "threshold": self[f"threshold_{number}"],
                "audit": self[f"audit_{number}"],
                "never": self[f"never_{number}"],
            }
            for number, name in enumerate(self.stream.classes)
        ]

    def body(self) -> dict[str, Any]:
        """What the form says, as a policy's body; a class without threshold is decided by people."""
        given = self.cleaned_data
        named = list(enumerate(self.stream.classes))
        return {
            "thresholds": {name: given[f"threshold_{n}"] for n, name in named if given[f"threshold_{n}"] is not None},
            "audit_rates": {name: given[f"audit_{n}"] for n, name in named if given[f"audit_{n}"] is not None},
            "never_automate": [name for n, name in named if given[f"never_{n}"]],
            "novelty_floor": given["novelty_floor"],
        }


class HoldForm(forms.Form):
    scope = forms.ChoiceField(choices=Hold.Scope.choices, label="Stop")
    reason = forms.CharField(max_length=500, help_text="For those who find the stream stopped.")


def _share(label: str, initial: float | None) -> forms.FloatField:
    return forms.FloatField(
        required=False,
        min_value=0,
        max_value=1,
        label=label,
        initial=initial,
        widget=forms.NumberInput(attrs={"step": "any", "aria-label": label, "class": "form-control-sm"}),
    )
