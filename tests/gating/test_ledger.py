"""The ledger's events, beside the rows that they tell of."""

from datetime import datetime

import pytest
from django.db import connection

from reviewapp.events.models import Event
from reviewapp.gating.actions import ledger
from reviewapp.gating.models import LedgerEntry
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ModelVersion
from tests.factories import bundles, evidence, streams

# Notes when each row was written or deleted, in the order in which a statement comes to them.
_NOTES = """
CREATE TABLE noted (at timestamptz);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO noted VALUES (clock_timestamp()); RETURN coalesce(new, old); END$$;
CREATE TRIGGER note BEFORE INSERT OR DELETE ON gating_ledgerentry FOR EACH ROW EXECUTE FUNCTION note();
"""


@pytest.fixture
def version(db: None) -> ModelVersion:
    return bundles.external_primary(streams.bare())


def last_noted() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(at) FROM noted")
        moment: datetime = cursor.fetchone()[0]
    return moment


def test_events_are_dated_once_the_last_of_their_rows_is_locked(version: ModelVersion) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_NOTES)

    evidence.labels(version, right=3)
    recorded = last_noted()
    ids = list(LedgerEntry.objects.order_by("pk").values_list("case_id", flat=True))
    ledger.withdraw(stream=version.stream, case_ids=ids, why="The answer was taken back.", by=SYSTEM)

    found = Event.objects.order_by("created_at")
    assert min(one.created_at for one in found.filter(type=ledger.RECORDED)) > recorded
    assert min(one.created_at for one in found.filter(type=ledger.WITHDRAWN)) > last_noted()
