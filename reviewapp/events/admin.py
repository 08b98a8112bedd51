from django.contrib import admin

from reviewapp.admin_bases import ReadOnlyAdmin
from reviewapp.events.models import Event, OutboxEntry


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ("type", "subject", "actor", "created_at")
    ordering = ("-pk",)
    exclude = ("payload",)
    readonly_fields = ("content",)

    @admin.display(description="payload")
    def content(self, event: Event) -> str:
        return bytes(event.payload).decode()


@admin.register(OutboxEntry)
class OutboxEntryAdmin(ReadOnlyAdmin):
    list_display = ("event_id", "available_at")
    ordering = ("available_at", "event_id")
