from django.contrib import admin

from reviewapp.admin_bases import ReadOnlyAdmin
from reviewapp.cases.models import Case, Decision, Explanation, Label, Prediction, Review, Verdict, Work


@admin.register(Case)
class CaseAdmin(ReadOnlyAdmin):
    list_display = ("external_id", "stream", "state", "generation", "received_at", "due_at")
    list_select_related = ("stream",)
    ordering = ("-pk",)
    search_fields = ("external_id__exact",)
    search_help_text = "Upstream's whole id."
    exclude = ("fingerprint",)


@admin.register(Work)
class WorkAdmin(ReadOnlyAdmin):
    list_display = ("kind", "subject", "generation", "priority", "attempts", "is_dead", "run_after", "lease_until")
    list_filter = ("kind", "is_dead")
    ordering = ("-pk",)


@admin.register(Prediction)
class PredictionAdmin(ReadOnlyAdmin):
    list_display = ("case", "role", "answer", "confidence", "route", "created_at")
    list_select_related = ("case",)
    ordering = ("-pk",)


@admin.register(Explanation)
class ExplanationAdmin(ReadOnlyAdmin):
    list_display = ("prediction_id", "method", "state", "residual", "created_at")
    ordering = ("-pk",)


@admin.register(Decision)
class DecisionAdmin(ReadOnlyAdmin):
    list_display = ("case", "sequence", "source", "answer", "actor", "decided_at")
    list_select_related = ("case",)
    ordering = ("-pk",)


@admin.register(Review)
class ReviewAdmin(ReadOnlyAdmin):
    list_display = ("case", "kind", "round", "mode", "state", "due_at", "claimed_by", "claim_until")
    list_select_related = ("case", "claimed_by")
    list_filter = ("state", "kind")
    ordering = ("-pk",)
    exclude = ("claim_token",)


@admin.register(Verdict)
class VerdictAdmin(ReadOnlyAdmin):
    list_display = ("review_id", "reviewer", "stage", "status", "answer", "saw_model", "created_at")
    list_select_related = ("reviewer",)
    ordering = ("-pk",)
    exclude = ("claim_token",)


@admin.register(Label)
class LabelAdmin(ReadOnlyAdmin):
    list_display = ("case", "sequence", "answer", "source", "is_honest", "half", "created_at")
    list_select_related = ("case",)
    ordering = ("-pk",)
