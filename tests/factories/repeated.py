"""What most tests begin with: made by the real actions once, and from then on by the rows that those wrote.

The statements of the first time are sent again in one message, with new ids, another slug and the present team: that
spares each test some seventy questions. tests/registry/test_repeated.py compares the two.
"""

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuid
from django.db import connection

from reviewapp.accounts.models import Team

WRITES = ("INSERT", "UPDATE", "DELETE", "WITH")
ID = re.compile(r"'([0-9a-f]{32})'::uuid")
# What the process read from the database's clock is read anew: else a stream would be as old as the run.
MOMENT = re.compile(r"'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[^']*'::timestamptz|STATEMENT_TIMESTAMP\(\)")


@dataclass(frozen=True)
class Recording:
    """The statements, the team and the slug that they name, and the ids that were new, the oldest first."""

    text: str
    team: UUID
    slug: str
    ids: tuple[UUID, ...]

    def again(self, *, team: UUID, slug: str) -> str:
        """The statements for another team and slug, with new ids in the same order."""
        text = self.text
        for old, new in ((self.team, team), *((old, uuid.uuid7()) for old in self.ids)):
            text = text.replace(old.hex, new.hex)
            text = _replaced(text, str(old), str(new))
        return _replaced(_replaced(text, self.slug, slug), _name(self.slug), _name(slug))


_recordings: dict[Hashable, Recording] = {}


def rows(key: Hashable, make: Callable[[], object], *, team: Team, slug: str) -> None:
    """Lets it be made the first time, and writes the same rows for this team and slug every other time."""
    recording = _recordings.get(key)
    if recording is None:
        _recordings[key] = _record(make, team=team.pk, slug=slug)
        return
    with connection.cursor() as cursor:
        cursor.execute(recording.again(team=team.pk, slug=slug))


def _record(make: Callable[[], object], *, team: UUID, slug: str) -> Recording:
    written: list[str] = []

    def keep(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().upper().startswith(WRITES):
            assert not many, f"several rows at once cannot be repeated: {sql}"
            written.append(connection.ops.compose_sql(sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(keep):
        make()
    text = MOMENT.sub("clock_timestamp()", ";\n".join(written))
    return Recording(text, team, slug, tuple(sorted({UUID(found) for found in ID.findall(text)} - {team})))


def _replaced(text: str, old: str, new: str) -> str:
    """Also within values that are sent as bytes, which are written in hexadecimal."""
    return text.replace(old, new).replace(old.encode().hex(), new.encode().hex())


def _name(slug: str) -> str:
    return slug.replace("-", " ").capitalize()
