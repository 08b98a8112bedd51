"""Settled cases with vectors, put into the tables as the product leaves them."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import uuid_utils.compat as uuid
from numpy.typing import NDArray

SPACE = "b" * 64
WIDTH = 128
# So many coordinates differ from zero: the columns of a table of medium width.
ACTIVE = 32
CLUSTERS = 200
TABLES = ("cases_case", "cases_caseinput", "cases_label", "cases_embedding", "cases_review")


def plain(rows: int) -> NDArray[np.float32]:
    """Normal in all directions: the hardest case for an index, and unlike any real table."""
    return _padded(np.random.default_rng(1).normal(size=(rows, ACTIVE)))


def clustered(rows: int) -> NDArray[np.float32]:
    """200 clouds, as groups of like customers or patients make them."""
    draw = np.random.default_rng(2)
    middles = draw.normal(size=(CLUSTERS, ACTIVE))
    return _padded(middles[draw.integers(0, CLUSTERS, rows)] + 0.3 * draw.normal(size=(rows, ACTIVE)))


def _padded(values: NDArray[np.float64]) -> NDArray[np.float32]:
    # Five digits, so that what PostgreSQL reads is what is measured against.
    rounded = (values / ACTIVE**0.5).round(5).astype(np.float32)
    return np.pad(rounded, ((0, 0), (0, WIDTH - rounded.shape[1])))


def written(vector: NDArray[np.float32]) -> str:
    return "[" + ",".join(f"{value:.5f}" for value in vector.tolist()) + "]"


def clear(connection: psycopg.Connection[Any]) -> None:
    connection.execute("TRUNCATE cases_case, cases_work, events_event CASCADE")


def fill(
    connection: psycopg.Connection[Any], stream: UUID, matrix: NDArray[np.float32], *, answers: Sequence[str]
) -> list[UUID]:
    """A decided, reviewed and labelled case for each row of the matrix; answers their ids."""
    clear(connection)
    ids = [uuid.uuid7() for _ in matrix]
    now = datetime.now(UTC)
    features = json.dumps({f"column_{place}": 1.5 * place for place in range(ACTIVE)})
    rows: dict[str, tuple[str, Iterable[tuple[Any, ...]]]] = {
        "cases_case": (
            (
                "id, stream_id, external_id, state, generation, fingerprint, coin, rollout_coin, half_coin, "
                "num_events, due_at, received_at"
            ),
            ((one, stream, str(one), "decided", 1, b"f", 0.5, 0.5, 0.5, 0, now, now) for one in ids),
        ),
        "cases_caseinput": (
            "id, case_id, generation, features, context, received_at",
            ((uuid.uuid7(), one, 1, features, "{}", now) for one in ids),
        ),
        "cases_review": (
            (
                "id, case_id, stream_id, generation, kind, round, mode, reasons, inclusion_probability, state, "
                "priority, due_at, created_at, closed_at"
            ),
            ((uuid.uuid7(), one, stream, 1, "routine", 1, "blind", "[]", 0.1, "done", 0, now, now, now) for one in ids),
        ),
        "cases_label": (
            "id, stream_id, case_id, sequence, generation, class, source, is_honest, half, actor, event_id, created_at",
            (
                (uuid.uuid7(), stream, one, 1, 1, answer, "outcome", False, "train", "system", uuid.uuid7(), now)
                for one, answer in zip(ids, answers, strict=True)
            ),
        ),
        "cases_embedding": (
            "id, stream_id, case_id, generation, space, vector",
            ((uuid.uuid7(), stream, one, 1, SPACE, written(row)) for one, row in zip(ids, matrix, strict=True)),
        ),
    }
    for table, (columns, values) in rows.items():
        with connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN".encode()) as copy:
            for value in values:
                copy.write_row(value)
    connection.execute(f"VACUUM ANALYZE {', '.join(TABLES)}".encode())
    return ids
