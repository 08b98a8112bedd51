from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from reviewapp.gating import recomputing
from reviewapp.gating.models import Certificate
from reviewapp.gating.recomputing import Happened


class Command(BaseCommand):
    help = "Compute certificates once more from the audit trail alone, and say whether they come to the same."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("certificate", nargs="*", type=UUID, help="Ids; without: all that were ever issued.")
        parser.add_argument("--stream", help="Only those of a stream, by its short name.")

    def handle(self, *_: Any, **options: Any) -> None:
        found = Certificate.objects.select_related("model_version", "stream").order_by("model_version", "number", "pk")
        if options["certificate"]:
            found = found.filter(pk__in=options["certificate"])
        if options["stream"]:
            found = found.filter(stream__slug=options["stream"])
        if not found:
            raise CommandError("There is no such certificate.")
        # They come version by version, and a version's trail may be long.
        trail_of = lru_cache(maxsize=1)(recomputing.trail_of)
        differing = sum(not self._agrees(one, trail_of) for one in found)
        if differing:
            raise CommandError(f"{differing} of {len(found)} differ from what the audit trail says.")
        self.stdout.write(f"{len(found)} come to the same.")

    def _agrees(self, certificate: Certificate, trail_of: Callable[[str], Sequence[Happened]]) -> bool:
        issued = recomputing.issuing(str(certificate.pk))
        if issued is None:
            self.stdout.write(f"{certificate}: no event issued it.")
            return False
        look = recomputing.recompute(issued, trail_of(str(certificate.model_version_id)))
        is_same = recomputing.agrees(issued, look) and certificate.threshold == issued["threshold"]
        self.stdout.write(f"{certificate}: {issued['state']}, {'the same' if is_same else 'differs'}.")
        return is_same
