from django.contrib import admin

from reviewapp.admin_bases import ReadOnlyAdmin
from reviewapp.monitoring.models import Alert, Heartbeat


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ("name", "subject", "severity", "stream", "opened_at", "closed_at")


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    list_display = ("process", "beat_at")
