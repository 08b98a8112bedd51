from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django import forms

from reviewapp.domain.policy import AuditRule, Policy
from reviewapp.gating.models import Hold
from reviewapp.registry.models import Stream
from reviewapp.registry.policies import read_body
from reviewapp.registry.policy_checks import columns_of
from reviewapp.web.forms import policy_fields as fields

# Empty rows at the end of the rules, so that one can be added without a script.
SPARE_RULES = 2
HOUR = 3600.0
_PLAIN = Policy(thresholds={})
_AUDIT = AuditRule()
AUDIT_FIELDS = (
    *("expected_per_day", "floor", "ceiling", "amber_factor", "overdue_days", "second_read_share", "confirm_share"),
)
PLAIN_FIELDS = ("novelty_floor", "is_joint", "certificate_days", "false_trips_per_year", "is_range_checked")


class PolicyForm(forms.Form):
    """A policy's body as fields; `body()` says only what differs from what a policy says by itself."""

    note = forms.CharField(
        max_length=500, required=False, label="Why", help_text="What changes, and why: it stays with the version."
    )
    is_joint = fields.switch(
        "Promise all classes together",
        "The confidence then holds for all certificates at once; each class needs somewhat more audits.",
    )
    expected_per_day = fields.number("Audits expected a day", "Of each class; the day's rate follows from its volume.")
    floor = fields.percent("At least", "The least share of automatic decisions that is audited.", required=True)
    ceiling = fields.percent("At most", "The greatest share, for classes with few cases.", required=True)
    amber_factor = fields.number("In doubt, times", "By how much the rate grows while the breaker doubts.")
    overdue_days = fields.number("Overdue after, days", "An audit that nobody answered counts as wrong from then on.")
    second_read_share = fields.percent(
        "Agreements read twice", "Share of agreeing audits that a second person reads too.", required=True
    )
    confirm_share = fields.percent(
        "Contradictions confirmed",
        "Share of unseen answers to ordinary reviews against the model that a second person confirms.",
        required=True,
    )
    certificate_days = fields.number("Certificates last, days", "Then fresh audits must have earned the next one.")
    false_trips_per_year = fields.number(
        "False trips a year", "How often a breaker may open by chance while its promise holds."
    )
    novelty_floor = fields.percent(
        "Novelty floor",
        "Cases that fewer than this share of the training cases were stranger than go to people: 2% sends about 2% of "
        "ordinary cases and most of those unlike them. Empty: no limit.",
    )
    stale_hours = fields.number(
        "Stale after, hours", "Older observations go to people. Empty: no limit.", required=False
    )
    is_range_checked = fields.switch(
        "Send values outside the training data to people", "Unseen categories, numbers out of range, new gaps."
    )
    required_columns = forms.MultipleChoiceField(
        required=False,
        label="Columns that must be filled",
        widget=forms.CheckboxSelectMultiple,
        help_text="A case without one of them goes to people.",
    )
    cap_limit = fields.whole("Automatic actions, at most", "Beyond it cases go to people. Empty: no cap.")
    cap_seconds = forms.TypedChoiceField(coerce=int, label="In each", initial=3600)
    segment = forms.ChoiceField(
        required=False,
        label="Segments by",
        help_text="Errors are counted, and breakers watch, for each value of this column too.",
    )
    value_column = forms.ChoiceField(
        required=False, label="Worth of a case", help_text="A column of amounts: what a wrong decision costs."
    )
    value_cap = fields.number("At most", "The most that one wrong decision can cost.", required=False)
    promised_loss = fields.number("Mean loss held", "Per automatic decision, in the same money.", required=False)
    wrong_per_thousand = fields.number(
        "Wrong automatic actions in 1,000 arrivals, at most", "A promise over all cases. Empty: none.", required=False
    )

    def __init__(self, stream: Stream, *args: Any, body: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stream = stream
        policy = read_body(body or {})
        self._offer_columns(policy)
        self._ask_classes(policy)
        self._ask_rules(policy)
        self._begin_with(policy)

    def rows(self) -> list[dict[str, Any]]:
        """The fields of each class."""
        names = ("target", "confidence", "threshold", "audit", "never")
        return [
            {"name": answer, **{name: self[f"{name}_{number}"] for name in names}}
            for number, answer in enumerate(self.stream.classes)
        ]

    def rules(self) -> list[dict[str, Any]]:
        return [{"name": self[f"rule_name_{n}"], "when": self[f"rule_when_{n}"]} for n in range(self._num_rules)]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        for number in range(len(self.stream.classes)):
            if given.get(f"confidence_{number}") is None and given.get(f"target_{number}") is not None:
                self.add_error(f"confidence_{number}", "A promise needs a confidence, such as 95.")
        for number in range(self._num_rules):
            if bool(given.get(f"rule_name_{number}")) != bool(given.get(f"rule_when_{number}")):
                self.add_error(f"rule_when_{number}", "A rule needs both its name and its condition.")
        if given.get("value_column") and given.get("value_cap") is None and "value_cap" not in self.errors:
            self.add_error("value_cap", "Say the most that one wrong decision can cost.")
        return given

    def body(self) -> dict[str, Any]:
        """What the form says, as a policy's body."""
        given = self.cleaned_data
        named = list(enumerate(self.stream.classes))

        def of_classes(field: str) -> dict[str, Any]:
            return {name: given[f"{field}_{n}"] for n, name in named if given[f"{field}_{n}"] not in {None, ""}}

        confidences = of_classes("confidence")
        body = {
            "thresholds": of_classes("threshold"),
            "audit_rates": of_classes("audit"),
            "never_automate": [name for n, name in named if given[f"never_{n}"]],
            "novelty_floor": given["novelty_floor"],
            "promises": {
                name: {"target_error": target, "confidence": confidences[name]}
                for name, target in of_classes("target").items()
            },
            "audit": {key: given[key] for key in AUDIT_FIELDS if given[key] != getattr(_AUDIT, key)},
            **self._guardrails(),
            **self._harm(),
        }
        plain = {key: given[key] for key in PLAIN_FIELDS if given[key] != getattr(_PLAIN, key)}
        kept = {"thresholds", "audit_rates", "never_automate", "novelty_floor"}
        return {key: value for key, value in {**body, **plain}.items() if key in kept or value not in ({}, [], None)}

    def filled_rules(self) -> list[int]:
        """The rows that hold a rule, in the order in which the body has them."""
        return [n for n in range(self._num_rules) if self.cleaned_data.get(f"rule_name_{n}")]

    def _guardrails(self) -> dict[str, Any]:
        given = self.cleaned_data
        cap = {"limit": given["cap_limit"], "seconds": given["cap_seconds"]} if given["cap_limit"] else None
        hours = given["stale_hours"]
        return {
            "required_columns": given["required_columns"],
            "rules": [{"name": given[f"rule_name_{n}"], "when": given[f"rule_when_{n}"]} for n in self.filled_rules()],
            "cap": cap,
            "stale_after": None if hours is None else round(hours * HOUR, 3),
        }

    def _harm(self) -> dict[str, Any]:
        given = self.cleaned_data
        value = {"column": given["value_column"], "cap": given["value_cap"]} if given["value_column"] else None
        if value and given["promised_loss"] is not None:
            value["promised_loss"] = given["promised_loss"]
        return {
            "segment": given["segment"] or None,
            "value": value,
            "wrong_per_thousand": given["wrong_per_thousand"],
        }

    def _offer_columns(self, policy: Policy) -> None:
        # What the policy names already stays choosable, also where the contract names no columns.
        named = [*policy.required_columns, policy.segment, policy.value.column if policy.value else None]
        columns = dict.fromkeys([*(columns_of(self.stream) or ()), *filter(None, named)])
        choices = [(name, name) for name in columns]
        self.fields["required_columns"].choices = choices  # type: ignore[attr-defined]
        for name in ("segment", "value_column"):
            self.fields[name].choices = [("", "none"), *choices]  # type: ignore[attr-defined]
        self.fields["cap_seconds"].choices = fields.intervals(policy.cap.seconds if policy.cap else None)  # type: ignore[attr-defined]

    def _ask_classes(self, policy: Policy) -> None:
        for number, name in enumerate(self.stream.classes):
            promise = policy.promises.get(name)
            asked = {
                "target": fields.in_row(f"Promise of {name}", promise.target_error if promise else None, high=99.99),
                "confidence": fields.in_row(f"Confidence of {name}", promise.confidence if promise else 0.95),
                "threshold": fields.in_row(f"Threshold of {name}", policy.thresholds.get(name)),
                "audit": fields.in_row(f"Audit rate of {name}", policy.audit_rates.get(name)),
                "never": fields.switch(f"Never decide {name} automatically", initial=name in policy.never_automate),
            }
            self.fields |= {f"{key}_{number}": field for key, field in asked.items()}

    def _ask_rules(self, policy: Policy) -> None:
        told = sum(key.startswith("rule_name_") for key in self.data) if self.is_bound else 0
        self._num_rules = max(len(policy.rules) + SPARE_RULES, told)
        for number in range(self._num_rules):
            rule = policy.rules[number] if number < len(policy.rules) else None
            self.fields[f"rule_name_{number}"] = fields.text("Rule", rule.name if rule else None, longest=80)
            self.fields[f"rule_when_{number}"] = fields.condition(rule.when if rule else None)

    def _begin_with(self, policy: Policy) -> None:
        audit = asdict(policy.audit)
        plain = {key: getattr(policy, key) for key in (*PLAIN_FIELDS, "wrong_per_thousand", "segment")}
        told = {
            **{key: audit[key] for key in AUDIT_FIELDS},
            **plain,
            "required_columns": list(policy.required_columns),
            "stale_hours": None if policy.stale_after is None else policy.stale_after / HOUR,
            "cap_limit": policy.cap and policy.cap.limit,
            "cap_seconds": policy.cap.seconds if policy.cap else 3600,
            "value_column": policy.value and policy.value.column,
            "value_cap": policy.value and policy.value.cap,
            "promised_loss": policy.value and policy.value.promised_loss,
        }
        for name, value in told.items():
            self.fields[name].initial = value


class HoldForm(forms.Form):
    scope = forms.ChoiceField(choices=Hold.Scope.choices, label="Stop")
    reason = forms.CharField(max_length=500, help_text="For those who find the stream stopped.")


def place_faults(form: PolicyForm, faults: list[dict[str, str]]) -> None:
    """Put what a check of the body found beside the fields that it is about."""
    for fault in faults:
        field = _field_of(form, fault["field"])
        form.add_error(field if field in form.fields else None, fault["message"])


_CLASS_FIELDS = {"thresholds": "threshold", "audit_rates": "audit", "promises": "target", "never_automate": "never"}
_NAMED = {
    "stale_after": "stale_hours",
    "cap": "cap_limit",
    "value": "value_column",
    "value.column": "value_column",
    "value.cap": "value_cap",
    "value.promised_loss": "promised_loss",
}


def _field_of(form: PolicyForm, path: str) -> str | None:
    """`promises.fraud.target_error` is the field `target_3`; a class may hold dots of its own."""
    if path in _NAMED:
        return _NAMED[path]
    key, _, rest = path.partition(".")
    if key in _CLASS_FIELDS:
        for number, name in enumerate(form.stream.classes):
            if rest == name or rest.startswith(f"{name}."):
                kind = "confidence" if rest == f"{name}.confidence" else _CLASS_FIELDS[key]
                return f"{kind}_{number}"
        return None
    if key == "rules" and rest:
        return f"rule_when_{form.filled_rules()[int(rest.partition('.')[0])]}"
    return rest if key == "audit" else key
