from django.db import models

from reviewapp.registry.models import Stream


class AutomaticCount(models.Model):
    """How many cases of a stream acted alone in the interval under way; kept while its policy caps them."""

    stream = models.OneToOneField(Stream, models.PROTECT, related_name="automatic_count", primary_key=True)
    started_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.stream} {self.count}"
