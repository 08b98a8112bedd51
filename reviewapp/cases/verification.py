"""Conservation: nothing accepted is lost, nothing is done twice, told by the database alone.

Each check selects the ids of what is wrong; a sound installation answers none, at any moment and under any load, when
all of them look at one snapshot.
"""

from dataclasses import dataclass

from django.db import connection, transaction

from reviewapp.domain.states import CaseState
from reviewapp.events.actions import PUBLISHED

EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Check:
    """`sql` selects one column, the ids of the rows that break the sentence."""

    name: str
    sentence: str
    sql: str


@dataclass(frozen=True, slots=True)
class Finding:
    check: Check
    count: int
    examples: tuple[str, ...]


# An undone decision was taken back before it left: the entry of its announcement was removed.
_UNDONE = """
SELECT d.event_id FROM cases_decision d
JOIN cases_decision w ON w.supersedes_id = d.id AND w.source = 'withdrawn'
JOIN events_event u ON u.id = w.event_id AND u.type = 'decision.undone'
"""

# The same for the answer that led to it.
_UNDONE_ANSWER = """
SELECT s.id FROM events_event u
JOIN events_event s ON s.case_id = u.case_id AND s.sequence < u.sequence AND s.type = 'review.submitted'
 AND convert_from(s.payload, 'UTF8')::jsonb #>> '{review,id}' = convert_from(u.payload, 'UTF8')::jsonb ->> 'review'
WHERE u.type = 'review.undone'
"""

# An endpoint as it is now is what it was since its last change, so what happened later must have reached it. The
# second in between is for changes that were not yet committed when the event was relayed.
_OWED = f"""
WITH changed AS (
    SELECT subject, max(created_at) + interval '1 second' AS at FROM events_event
    WHERE type IN ('endpoint.created', 'endpoint.updated', 'endpoint.enabled', 'endpoint.paused', 'endpoint.disabled')
    GROUP BY subject
), listening AS (
    SELECT n.id, n.team_id::text AS team_id, n.event_types, changed.at,
           array(SELECT s.stream_id::text FROM webhooks_endpoint_streams s WHERE s.endpoint_id = n.id) AS streams
    FROM webhooks_endpoint n JOIN changed ON changed.subject = 'endpoint:' || n.id
    WHERE n.state <> 'disabled'
)
SELECT e.id FROM listening n
JOIN events_event e ON e.team_id = n.team_id AND e.created_at > n.at AND e.type = ANY(%(published)s)
WHERE (CASE WHEN e.type = 'endpoint.pinged' THEN e.subject = 'endpoint:' || n.id
       ELSE (cardinality(n.event_types) = 0 OR e.type = ANY(n.event_types))
            AND (cardinality(n.streams) = 0 OR e.stream_id = ANY(n.streams)) END)
  AND NOT EXISTS (SELECT 1 FROM webhooks_delivery d WHERE d.event_id = e.id AND d.endpoint_id = n.id)
  AND NOT EXISTS (SELECT 1 FROM events_outboxentry o WHERE o.event_id = e.id)
  AND e.id NOT IN ({_UNDONE} UNION ALL {_UNDONE_ANSWER})
"""  # noqa: S608 our own parts

# What the ledger's events said last of each entry, beside the entry itself.
_UNTOLD_EVIDENCE = """
SELECT coalesce(l.case_id::text, told.said ->> 'case') FROM (
    SELECT DISTINCT ON (said ->> 'model_version', said ->> 'case') type, said FROM (
        SELECT type, created_at, id, convert_from(payload, 'UTF8')::jsonb AS said FROM events_event
        WHERE type IN ('evidence.recorded', 'evidence.withdrawn')) every
    ORDER BY said ->> 'model_version', said ->> 'case', created_at DESC, id DESC) told
FULL JOIN gating_ledgerentry l
    ON l.model_version_id::text = told.said ->> 'model_version' AND l.case_id::text = told.said ->> 'case'
WHERE CASE WHEN l.id IS NULL THEN told.type = 'evidence.recorded'
    ELSE told.type IS DISTINCT FROM 'evidence.recorded' OR l.class IS DISTINCT FROM told.said ->> 'class'
        OR l.truth IS DISTINCT FROM told.said ->> 'truth'
        OR l.confidence IS DISTINCT FROM (told.said ->> 'confidence')::float8
        OR l.inclusion_probability IS DISTINCT FROM (told.said ->> 'inclusion_probability')::float8
        OR l.least_probability IS DISTINCT FROM (told.said ->> 'least_probability')::float8 END
"""


def _chain(table: str) -> str:
    return (
        "SELECT id FROM (SELECT id, sequence, supersedes_id, lag(id) OVER chain AS before, "  # noqa: S608 our own name
        f"row_number() OVER chain AS place FROM {table} "
        "WINDOW chain AS (PARTITION BY case_id ORDER BY sequence, id)) links "
        "WHERE sequence <> place OR supersedes_id IS DISTINCT FROM before"
    )


def _announced(table: str, prefix: str) -> str:
    """Rows without their event, and events without their row or with more than one."""
    return (
        f"SELECT t.id FROM {table} t LEFT JOIN events_event e ON e.id = t.event_id "  # noqa: S608 our own names
        f"AND e.case_id = t.case_id::text AND e.type LIKE '{prefix}.%%' WHERE e.id IS NULL "
        f"UNION ALL SELECT e.id FROM events_event e LEFT JOIN {table} t ON t.event_id = e.id "
        f"WHERE e.type LIKE '{prefix}.%%' GROUP BY e.id HAVING count(t.id) <> 1"
    )


CHECKS = (
    Check(
        "states",
        "every case is in one of the known states",
        "SELECT id FROM cases_case WHERE NOT state = ANY(%(states)s)",
    ),
    Check(
        "inputs",
        "every case has the input of its generation, and every generation before it",
        "SELECT c.id FROM cases_case c LEFT JOIN cases_caseinput i ON i.case_id = c.id "
        "WHERE c.state <> 'erased' GROUP BY c.id "
        "HAVING count(i.id) <> c.generation OR max(i.generation) IS DISTINCT FROM c.generation",
    ),
    Check(
        "scoring_has_work",
        "every case that is being scored has work that will score it",
        "SELECT c.id FROM cases_case c WHERE c.state = 'scoring' AND NOT EXISTS (SELECT 1 FROM cases_work w "
        "WHERE w.kind = 'score' AND w.subject = c.id::text AND w.generation = c.generation AND NOT w.is_dead)",
    ),
    Check(
        "in_review_has_review",
        "every case that waits for people has an open review",
        "SELECT c.id FROM cases_case c WHERE c.state = 'in_review' AND NOT EXISTS (SELECT 1 FROM cases_review r "
        "WHERE r.case_id = c.id AND r.generation = c.generation AND r.state = 'open')",
    ),
    Check(
        "decided_has_decision",
        "every decided case has a decision that stands",
        "SELECT c.id FROM cases_case c WHERE c.state = 'decided' AND 1 <> (SELECT count(*) FROM cases_decision d "
        "WHERE d.case_id = c.id AND d.class IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM cases_decision n WHERE n.supersedes_id = d.id))",
    ),
    Check("decision_chain", "the decisions of a case form one chain without gaps", _chain("cases_decision")),
    Check(
        "decision_event",
        "every decision has exactly one event, and the other way round",
        _announced("cases_decision", "decision"),
    ),
    Check(
        "auto_is_routed",
        "every automatic decision rests on a prediction of its case that was routed auto",
        "SELECT d.id FROM cases_decision d LEFT JOIN cases_prediction p ON p.id = d.prediction_id "
        "AND p.case_id = d.case_id AND p.generation = d.generation AND p.route = 'auto' AND p.class = d.class "
        "WHERE d.source = 'auto' AND p.id IS NULL",
    ),
    Check("label_chain", "the labels of a case form one chain without gaps", _chain("cases_label")),
    Check(
        "label_event",
        "every label has exactly one event, and the other way round",
        _announced("cases_label", "label"),
    ),
    Check(
        "one_counted_verdict",
        "no review has two counted verdicts of one stage",
        "SELECT review_id FROM cases_verdict WHERE status = 'counted' GROUP BY review_id, stage HAVING count(*) > 1",
    ),
    Check(
        "done_has_label",
        "every answered review has a counted verdict that became a label",
        "SELECT r.id FROM cases_review r WHERE r.state = 'done' AND NOT EXISTS (SELECT 1 FROM cases_verdict v "
        "JOIN cases_label l ON l.verdict_id = v.id AND l.case_id = r.case_id "
        "WHERE v.review_id = r.id AND v.status = 'counted')",
    ),
    Check(
        "evidence_event",
        "every entry of the ledger is what its last event says, and every entry that an event told of is there",
        _UNTOLD_EVIDENCE,
    ),
    Check(
        "event_sequence",
        "the events of a case are numbered from 1 without gaps, and the case knows how many they are",
        "SELECT c.id FROM cases_case c LEFT JOIN (SELECT case_id, count(DISTINCT sequence) AS num, min(sequence) AS "
        "first, max(sequence) AS last FROM events_event WHERE case_id IS NOT NULL GROUP BY case_id) e "
        "ON e.case_id = c.id::text WHERE coalesce(e.num, 0) <> c.num_events OR e.first <> 1 OR e.last <> e.num",
    ),
    Check(
        "published_once",
        "every published event waits in the outbox or has a delivery to each endpoint that listens",
        _OWED,
    ),
    Check(
        "left_once",
        "no event is both in the outbox and delivered, and no undone decision has left",
        "SELECT o.event_id FROM events_outboxentry o "  # noqa: S608 our own parts
        "WHERE EXISTS (SELECT 1 FROM webhooks_delivery d WHERE d.event_id = o.event_id) "
        "UNION ALL SELECT d.event_id FROM webhooks_delivery d GROUP BY d.event_id, d.endpoint_id HAVING count(*) > 1 "
        f"UNION ALL SELECT d.event_id FROM webhooks_delivery d WHERE d.event_id IN ({_UNDONE})",
    ),
    Check(
        "work_has_subject",
        "no work is about something that does not exist",
        "SELECT w.id FROM cases_work w WHERE w.kind IN ('score', 'shadow', 'embed') "
        "AND NOT EXISTS (SELECT 1 FROM cases_case c WHERE c.id::text = w.subject) "
        "UNION ALL SELECT w.id FROM cases_work w WHERE w.kind = 'explain' "
        "AND NOT EXISTS (SELECT 1 FROM cases_prediction p WHERE p.id::text = w.subject)",
    ),
)


def verify() -> tuple[list[Finding], dict[str, int]]:
    """Every check, and how many cases each state has: in one snapshot, without time limit and without a lock."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SET LOCAL statement_timeout = 0")
        return [find(check) for check in CHECKS], count_states()


def find(check: Check) -> Finding:
    """What breaks one check, with the first few ids."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*), (array_agg(gap.id::text ORDER BY gap.id::text))[1:{EXAMPLES}] "  # noqa: S608 our own
            f"FROM ({check.sql}) AS gap(id)",
            {"states": [state.value for state in CaseState], "published": sorted(PUBLISHED)},
        )
        count, examples = cursor.fetchone()
    return Finding(check, count, tuple(examples or ()))


def count_states() -> dict[str, int]:
    """How many cases are in each state; their sum is the number of cases."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT state, count(*) FROM cases_case GROUP BY state")
        found = dict(cursor.fetchall())
    return {state.value: found.get(state.value, 0) for state in CaseState}
