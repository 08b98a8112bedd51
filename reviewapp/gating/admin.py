from django.contrib import admin

from reviewapp.admin_bases import ReadOnlyAdmin
from reviewapp.gating.models import AuditRate, Breaker, Certificate, Circuit, Hold


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
