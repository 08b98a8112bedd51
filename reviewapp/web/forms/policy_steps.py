"""What the steps of a policy version ask for beside the version itself."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone

DAYS = 30


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=500, label="Why", help_text="It stays on record.")


class ProposeForm(forms.Form):
    untested_because = forms.CharField(
        max_length=500,
        required=False,
        label="Why without a back-test",
        help_text="Needed only where no back-test of this very draft is finished.",
    )


class BackTestForm(forms.Form):
    """A past period, as days of the person's own time zone; the last day counts in full."""

    first = forms.DateField(label="From", widget=forms.DateInput(attrs={"type": "date"}))
    last = forms.DateField(label="To", widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        today = timezone.localdate()
        self.fields["first"].initial = (today - timedelta(days=DAYS)).isoformat()
        self.fields["last"].initial = today.isoformat()

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        first, last = given.get("first"), given.get("last")
        if first and last and first > last:
            self.add_error("last", "The last day must not come before the first.")
        if first and first > timezone.localdate():
            self.add_error("first", "The first day must lie in the past.")
        return given

    def period(self) -> tuple[datetime, datetime]:
        """Start and end; the end is never in the future."""
        first, last = self.cleaned_data["first"], self.cleaned_data["last"]
        return _midnight(first), min(_midnight(last + timedelta(days=1)), timezone.now())


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
