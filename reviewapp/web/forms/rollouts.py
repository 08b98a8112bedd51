from django import forms

WHY = "It stays with the rollout, for those who look at it later."


class ReasonForm(forms.Form):
    """The one thing every step asks for."""

    reason = forms.CharField(max_length=500, help_text=WHY)


class CanaryForm(ReasonForm):
    share = forms.FloatField(
        label="Share of the cases, %",
        min_value=0.1,
        max_value=100,
        help_text="100: all of them; the primary stays warm.",
    )

    def clean_share(self) -> float:
        """As a share of one."""
        percent: float = self.cleaned_data["share"]
        return percent / 100


class RollBackForm(ReasonForm):
    send_to_review = forms.BooleanField(
        required=False,
        label="Send its automatic decisions to review",
        help_text="Deliveries are held meanwhile; what was not sent yet is never heard of.",
    )
