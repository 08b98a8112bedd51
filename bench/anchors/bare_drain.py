"""The least that a scoring worker can do: claim, decode, score, write back, commit. No gate, no trail, no outbox."""

from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg

from bench.anchors.raw_model import RawModel

BATCH = 256

TABLE = """
DROP TABLE IF EXISTS bench_case;
CREATE TABLE bench_case (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    external_id text NOT NULL UNIQUE,
    features jsonb NOT NULL,
    status smallint NOT NULL DEFAULT 0,
    priority smallint NOT NULL DEFAULT 0,
    probability real,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_at timestamptz
);
CREATE INDEX ON bench_case (priority DESC, id) WHERE status = 0;
"""
_CLAIM = """
UPDATE bench_case SET status = 1 WHERE id = ANY(ARRAY(
    SELECT id FROM bench_case WHERE status = 0 ORDER BY priority DESC, id LIMIT %s FOR UPDATE SKIP LOCKED))
RETURNING id, features::text
"""
_WRITE = """
UPDATE bench_case c SET status = 2, probability = w.probability, decided_at = clock_timestamp()
FROM unnest(%s::bigint[], %s::real[]) AS w(id, probability) WHERE c.id = w.id
"""


def create(connection: psycopg.Connection[Any]) -> None:
    connection.execute(TABLE.encode())


def fill(connection: psycopg.Connection[Any], bodies: Sequence[dict[str, Any]]) -> None:
    with connection.cursor().copy(b"COPY bench_case (external_id, features) FROM STDIN") as copy:
        for body in bodies:
            copy.write_row((body["external_id"], msgspec.json.encode(body["features"]).decode()))
    connection.execute(b"VACUUM ANALYZE bench_case")


def drain_batch(connection: psycopg.Connection[Any], model: RawModel) -> int:
    """One batch through the model; answers how many rows it had."""
    with connection.transaction():
        rows = connection.execute(_CLAIM.encode(), [BATCH]).fetchall()
    if not rows:
        return 0
    features = [msgspec.json.decode(text) for _, text in rows]
    found = model.run(model.matrix(features))[:, 1]
    with connection.transaction():
        connection.execute(_WRITE.encode(), [[row[0] for row in rows], found.tolist()])
    return len(rows)
