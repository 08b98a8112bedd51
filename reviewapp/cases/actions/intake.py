"""Intake: an accepted case is committed with its input, its work and its event, or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuid
from django.conf import settings
from django.db import IntegrityError, connection, transaction

from reviewapp.cases.actions import external
from reviewapp.cases.submissions import Submission
from reviewapp.celery import enqueue
from reviewapp.crashpoints import crashpoint
from reviewapp.domain import sampling
from reviewapp.events import actions as events
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Stream
from reviewapp.writing import execute, fresh_id, write_rows

INFERENCE_TASK = "cases.drain_inference"


@dataclass(slots=True)
class Receipt:
    """What became of one submission: `created`, `replayed` (same content) or `conflict` (other content)."""

    outcome: str
    external_id: str
    case_id: UUID
    received_at: datetime | None = None


@dataclass(slots=True)
class Arrival:
    """A case about to be written: its id is drawn, its coins follow from it."""

    case_id: UUID
    subject: str  # the same as text, for its work and its event
    coins: sampling.Coins
    submission: Submission


def receive(*, stream: Stream, submissions: Sequence[Submission], by: Actor, traceparent: str = "") -> list[Receipt]:
    """Accept submissions, each exactly once by its external id, in one transaction.

    1. Ids already known are answered as replay or conflict; the first of a repeated id within the list wins.
    2. The new ones are written by COPY: case, input, event, and work or, with a prediction of their own, the routing.
    3. After the commit a wake-up hurries the scoring; losing it costs seconds, not cases.
    """
    try:
        with transaction.atomic():
            return _receive(stream, submissions, by, traceparent)
    except IntegrityError:
        # Others send the same ids at this moment. However busy they are, this way does not lose against them.
        with transaction.atomic():
            return _receive(stream, submissions, by, traceparent, is_contended=True)


# One statement, so that a single case costs one trip to the database. Nothing is written where the id is known.
_ONE = """
WITH written AS (
    INSERT INTO cases_case (id, stream_id, external_id, state, generation, fingerprint, coin, rollout_coin, half_coin,
        num_events, due_at, received_at)
    SELECT %s, %s, %s, 'scoring', 1, %s, %s, %s, %s, 1, clock.at + %s, clock.at
    FROM (SELECT clock_timestamp() AS at) clock
    ON CONFLICT DO NOTHING RETURNING received_at AS at
), input AS (
    INSERT INTO cases_caseinput (id, case_id, generation, features, context, observed_at, received_at)
    SELECT %s, %s, 1, %s, %s, %s, at FROM written
), work AS (
    INSERT INTO cases_work (kind, subject, generation, priority, attempts, run_after, is_dead, last_error, traceparent,
        created_at)
    SELECT 'score', %s, 1, 0, 0, at, false, '', %s, at FROM written
), event AS ({event})
SELECT at FROM written
"""


def receive_one(*, stream: Stream, submission: Submission, by: Actor, traceparent: str = "") -> Receipt:
    """Accept one submission exactly once by its external id; the same guarantees as `receive`."""
    if submission.probabilities is not None:
        return receive(stream=stream, submissions=[submission], by=by, traceparent=traceparent)[0]
    case_id = uuid.uuid7()
    coins = sampling.draw(settings.COIN_KEY.encode(), case_id)
    event, event_values = events.insertion(
        _received(
            Arrival(case_id, str(case_id), coins, submission),
            team_id=str(stream.team_id),
            stream_id=str(stream.pk),
            actor=str(by),
            traceparent=traceparent,
        ),
        source="written",
    )
    values = [
        *(case_id, stream.pk, submission.external_id, submission.fingerprint),
        *(coins.audit, coins.rollout, coins.half, stream.sla),
        *(uuid.uuid7(), case_id, submission.features_json, submission.context_json, submission.observed_at),
        *(str(case_id), traceparent),
        *event_values,
    ]
    crashpoint("intake.before_write")
    # One statement is a transaction of its own, without the trips of BEGIN and COMMIT.
    row = execute(_ONE.format(event=event), values).fetchone()
    if row is None:
        return _seen_before(stream, submission)
    transaction.on_commit(lambda: crashpoint("intake.after_commit"))
    enqueue(INFERENCE_TASK)
    return Receipt("created", submission.external_id, case_id, row[0])


def _seen_before(stream: Stream, submission: Submission) -> Receipt:
    known, _ = _known(stream, [submission.external_id])
    case_id, fingerprint = known[submission.external_id]
    outcome = "replayed" if fingerprint == submission.fingerprint else "conflict"
    return Receipt(outcome, submission.external_id, case_id)


def _receive(
    stream: Stream, submissions: Sequence[Submission], by: Actor, traceparent: str, *, is_contended: bool = False
) -> list[Receipt]:
    known, now = _known(stream, [submission.external_id for submission in submissions])
    arrivals = _arrivals(submissions, known)
    if arrivals:
        crashpoint("intake.before_write")
        if is_contended:
            taken = _write_unless_taken(stream, arrivals, now)
            known.update(_known(stream, taken)[0])
            arrivals = [arrival for arrival in arrivals if arrival.submission.external_id not in known]
        else:
            _write_cases(stream, arrivals, now)
        _write(stream, arrivals, by, traceparent, now)
        crashpoint("intake.before_commit")
        transaction.on_commit(lambda: crashpoint("intake.after_commit"))
        enqueue(INFERENCE_TASK)
    return _receipts(submissions, known, arrivals, now)


def _arrivals(submissions: Sequence[Submission], known: Mapping[str, tuple[UUID, bytes]]) -> list[Arrival]:
    """The first submission of each id that is not known yet."""
    first: dict[str, Submission] = {}
    for submission in submissions:
        if submission.external_id not in known:
            first.setdefault(submission.external_id, submission)
    key = settings.COIN_KEY.encode()
    ids = [uuid.uuid7() for _ in first]
    return [
        Arrival(case_id, str(case_id), sampling.draw(key, case_id), submission)
        for case_id, submission in zip(ids, first.values(), strict=True)
    ]


def _receipts(
    submissions: Sequence[Submission],
    known: dict[str, tuple[UUID, bytes]],
    written: Sequence[Arrival],
    now: datetime,
) -> list[Receipt]:
    created = {arrival.submission.external_id: arrival for arrival in written}
    receipts = []
    for submission in submissions:
        arrival = created.pop(submission.external_id, None)
        if arrival is not None:
            known[submission.external_id] = (arrival.case_id, submission.fingerprint)
            receipts.append(Receipt("created", submission.external_id, arrival.case_id, now))
        else:
            case_id, fingerprint = known[submission.external_id]
            outcome = "replayed" if fingerprint == submission.fingerprint else "conflict"
            receipts.append(Receipt(outcome, submission.external_id, case_id))
    return receipts


def _known(stream: Stream, external_ids: list[str]) -> tuple[dict[str, tuple[UUID, bytes]], datetime]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT external_id, id, fingerprint FROM cases_case WHERE stream_id = %s AND external_id = ANY(%s)",
            [stream.pk, external_ids],
        )
        known = {row[0]: (row[1], bytes(row[2])) for row in cursor.fetchall()}
        cursor.execute("SELECT clock_timestamp()")
        return known, cursor.fetchone()[0]


_CASE_COLUMNS = (
    "id, stream_id, external_id, state, generation, fingerprint, coin, rollout_coin, half_coin, "
    "num_events, due_at, received_at"
)


def _write_cases(stream: Stream, arrivals: Sequence[Arrival], now: datetime) -> None:
    due_at, written_at, stream_id = (now + stream.sla).isoformat(), now.isoformat(), str(stream.pk)
    write_rows(
        "cases_case",
        _CASE_COLUMNS,
        (
            (
                arrival.case_id,
                stream_id,
                arrival.submission.external_id,
                "scoring",
                1,
                arrival.submission.fingerprint,
                arrival.coins.audit,
                arrival.coins.rollout,
                arrival.coins.half,
                1,
                due_at,
                written_at,
            )
            for arrival in _in_order(arrivals)
        ),
    )


_UNLESS_TAKEN = f"""
INSERT INTO cases_case ({_CASE_COLUMNS})
SELECT new.id, %s, new.external_id, 'scoring', 1, new.fingerprint, new.coin, new.rollout_coin, new.half_coin, 1,
    %s, %s
FROM unnest(%s::uuid[], %s::text[], %s::bytea[], %s::float8[], %s::float8[], %s::float8[])
    AS new(id, external_id, fingerprint, coin, rollout_coin, half_coin)
ON CONFLICT DO NOTHING RETURNING external_id
"""  # noqa: S608 the columns are constants


def _write_unless_taken(stream: Stream, arrivals: Sequence[Arrival], now: datetime) -> list[str]:
    """Write the cases whose ids nobody has taken meanwhile; answers the ids that somebody has."""
    ordered = _in_order(arrivals)
    external_ids = [arrival.submission.external_id for arrival in ordered]
    columns: list[list[Any]] = [
        [arrival.case_id for arrival in ordered],
        external_ids,
        [arrival.submission.fingerprint for arrival in ordered],
        [arrival.coins.audit for arrival in ordered],
        [arrival.coins.rollout for arrival in ordered],
        [arrival.coins.half for arrival in ordered],
    ]
    with connection.cursor() as cursor:
        cursor.execute(_UNLESS_TAKEN, [stream.pk, now + stream.sla, now, *columns])
        written = {row[0] for row in cursor.fetchall()}
    return [external_id for external_id in external_ids if external_id not in written]


def _in_order(arrivals: Sequence[Arrival]) -> list[Arrival]:
    """In one order: two senders of the same ids then wait for one another and never in a circle."""
    return sorted(arrivals, key=lambda arrival: arrival.submission.external_id)


def _write(stream: Stream, arrivals: list[Arrival], by: Actor, traceparent: str, now: datetime) -> None:
    written_at = now.isoformat()
    write_rows(
        "cases_caseinput",
        "id, case_id, generation, features, context, observed_at, received_at",
        (
            (
                fresh_id(),
                arrival.case_id,
                1,
                arrival.submission.features_json,
                arrival.submission.context_json,
                arrival.submission.observed_at,
                written_at,
            )
            for arrival in arrivals
        ),
    )
    _write_events(stream, arrivals, by, traceparent, now)
    _hand_on(stream, arrivals, traceparent, now)


def _hand_on(stream: Stream, arrivals: list[Arrival], traceparent: str, now: datetime) -> None:
    """To scoring, or to the gate at once where upstream has scored."""
    scored_upstream = [arrival for arrival in arrivals if arrival.submission.probabilities is not None]
    to_score = [arrival for arrival in arrivals if arrival.submission.probabilities is None]
    if to_score:
        at = now.isoformat()
        write_rows(
            "cases_work",
            "kind, subject, generation, priority, attempts, run_after, is_dead, last_error, traceparent, created_at",
            (("score", arrival.subject, 1, 0, 0, at, False, "", traceparent, at) for arrival in to_score),
        )
    if scored_upstream:
        external.route(
            stream=stream,
            predictions={arrival.case_id: arrival.submission for arrival in scored_upstream},
            now=now,
        )


def _write_events(stream: Stream, arrivals: list[Arrival], by: Actor, traceparent: str, now: datetime) -> None:
    about = {"team_id": str(stream.team_id), "stream_id": str(stream.pk), "actor": str(by), "traceparent": traceparent}
    events.record_many([_received(arrival, **about) for arrival in arrivals], at=now)


def _received(arrival: Arrival, *, team_id: str, stream_id: str, actor: str, traceparent: str) -> events.Happening:
    return events.Happening(
        type="case.received",
        id=fresh_id(),
        subject=f"case:{arrival.subject}",
        actor=actor,
        payload={"external_id": arrival.submission.external_id, "generation": 1},
        team_id=team_id,
        stream_id=stream_id,
        case_id=arrival.subject,
        sequence=1,
        traceparent=traceparent,
    )
