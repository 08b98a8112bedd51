from django.contrib import admin

from reviewapp.admin_bases import ReadOnlyAdmin
from reviewapp.webhooks.models import Delivery, DeliveryAttempt, Endpoint


@admin.register(Endpoint)
class EndpointAdmin(ReadOnlyAdmin):
    list_display = ("url", "team", "state", "state_reason", "created_at")
    list_filter = ("state",)


class DeliveryAttemptInline(admin.TabularInline):
    model = DeliveryAttempt
    extra = 0


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("event_id", "endpoint", "state", "attempts", "next_at", "last_status")
    list_select_related = ("endpoint",)
    list_filter = ("state",)
    ordering = ("-pk",)
    exclude = ("lease_token",)
    inlines = (DeliveryAttemptInline,)
