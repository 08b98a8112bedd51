import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from reviewapp.cases.actions.spaces import serving_bundles
from reviewapp.cases.models import Embedding
from reviewapp.domain.errors import NotFound
from reviewapp.registry.actions import streams
from reviewapp.registry.management.commands.register_bundle import find_stream
from reviewapp.registry.models import Stream

# Below this an exact scan takes milliseconds and finds everything; an index costs a millisecond for every new vector.
WORTH_IT = 200_000


class Command(BaseCommand):
    help = (
        "Makes or drops the index over the vectors of a stream's present models, through which similar cases are then "
        f"found; worth it above {WORTH_IT:,} vectors. Scoring goes on meanwhile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--stream", required=True, help="slug of the stream")
        parser.add_argument("--team", default=streams.DEFAULT_TEAM, help="slug of the stream's team (default)")
        parser.add_argument("--drop", action="store_true", help="search exactly again")
        parser.add_argument("--anyway", action="store_true", help=f"also below {WORTH_IT:,} vectors")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            stream = find_stream(options["stream"], team=options["team"])
        except NotFound as error:
            raise CommandError(str(error)) from error
        spaces = [bundle.digest for bundle in serving_bundles(stream.pk)]
        if not spaces:
            raise CommandError(f"No bundle serves “{stream.slug}”, so it has no vectors; roll one out first.")
        for space in spaces:
            if options["drop"]:
                drop(stream, space)
                self.stdout.write(f"{space[:12]}: searched exactly.")
                continue
            number = Embedding.objects.filter(stream=stream, space=space).count()
            if number < WORTH_IT and not options["anyway"]:
                raise CommandError(
                    f"“{stream.slug}” has {number:,} vectors; below {WORTH_IT:,} the exact search is fast and misses "
                    "nothing. Add --anyway to make the index all the same."
                )
            started = time.monotonic()
            build(stream, space)
            self.stdout.write(f"{space[:12]}: {number:,} vectors indexed in {time.monotonic() - started:.0f} s.")


def build(stream: Stream, space: str) -> None:
    """Make the index of one space; one that a broken attempt left behind is made anew."""
    drop(stream, space)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', '0', false), set_config(%s, %s, false)", _MEMORY)
        try:
            # CONCURRENTLY knows no parameters; both are ids of ours.
            cursor.execute(
                f"CREATE INDEX CONCURRENTLY {_name(stream, space)} ON cases_embedding "
                "USING hnsw (vector vector_l2_ops) WITH (m = 16, ef_construction = 64) "
                f"WHERE stream_id = '{stream.pk}' AND space = '{space}'"
            )
        finally:
            cursor.execute("RESET statement_timeout; RESET maintenance_work_mem")


def drop(stream: Stream, space: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_name(stream, space)}")


# A graph that outgrows it is built many times slower.
_MEMORY = ["maintenance_work_mem", "512MB"]


def _name(stream: Stream, space: str) -> str:
    return f"similar_{stream.pk.hex[-12:]}_{space[:24]}"
