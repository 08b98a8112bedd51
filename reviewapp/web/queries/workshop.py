"""What the policy workshop reckons with: a version's recent traffic, its honest labels, the time that reviews take."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connection

from reviewapp.domain.policy import Policy
from reviewapp.gating.models import Certificate, LedgerEntry
from reviewapp.registry.models import ModelVersion, RolloutMember, Stream

if TYPE_CHECKING:
    from reviewapp.web.estimates import Labels, Traffic

# The newest cases and labels that are looked at: enough for narrow intervals, few enough to be read on every change.
WINDOW = 20_000
LABELS = 50_000
TIMED = 500

# Of several predictions of one version the one that routed the case counts before one that only watched.
_SAID = """
WITH newest AS (
    SELECT id, generation, received_at FROM cases_case
    WHERE stream_id = %(stream)s AND state <> 'erased' ORDER BY id DESC LIMIT %(window)s
), said AS (
    SELECT DISTINCT ON (p.case_id) p.class, p.confidence, p.route, n.received_at,
        EXISTS (SELECT 1 FROM jsonb_array_elements(p.reasons) r
                WHERE r ->> 'code' = ANY(%(guardrails)s)) AS is_stopped
    FROM newest n JOIN cases_prediction p
      ON p.case_id = n.id AND p.generation = n.generation AND p.model_version_id = %(version)s
     AND p.role <> 'fallback'
    ORDER BY p.case_id, p.route IS NULL, p.role
)
"""
_TRAFFIC = """
SELECT class, count(*), count(*) FILTER (WHERE is_stopped), count(*) FILTER (WHERE route = 'auto'),
    extract(epoch FROM max(received_at) - min(received_at))::float8, min(received_at), max(received_at),
    coalesce(array_agg(confidence) FILTER (WHERE class = %(class)s AND NOT is_stopped), '{}'),
    coalesce(array_agg(route IS NOT NULL AND route = 'auto') FILTER (WHERE class = %(class)s AND NOT is_stopped), '{}')
FROM said GROUP BY class
"""
_MINUTES = """
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) / 60, count(*) FROM (
    SELECT sum(v.seconds) AS seconds FROM (
        SELECT id, case_id FROM cases_review WHERE stream_id = %(stream)s AND state = 'done'
        ORDER BY id DESC LIMIT %(timed)s
    ) r JOIN cases_verdict v ON v.review_id = r.id AND v.status = 'counted'
    -- What a program answers for a demonstration takes no person's time.
    WHERE NOT EXISTS (SELECT 1 FROM cases_label l WHERE l.case_id = r.case_id AND l.source = 'demo')
    GROUP BY r.id
) timed
"""
DAY = 86_400.0


@dataclass(frozen=True)
class Timed:
    """The median minutes of a review, over the newest that people answered; None before the first."""

    minutes: float | None
    reviews: int


def versions_with_role(stream: Stream) -> list[tuple[ModelVersion, str]]:
    """The versions of the live rollout with their roles, the primary first."""
    if stream.live_rollout_id is None:
        return []
    order = list(RolloutMember.Role.values)
    members = RolloutMember.objects.filter(rollout=stream.live_rollout_id).select_related("model_version")
    found = sorted(members, key=lambda member: (order.index(member.role), member.model_version.number))
    return [(member.model_version, member.role) for member in found]


def traffic_of(stream: Stream, version: ModelVersion, answer: str, policy: Policy) -> "Traffic":
    """The newest cases that the version scored, as the class's share of them."""
    import numpy as np

    from reviewapp.domain.gate import GUARDRAIL_CODES
    from reviewapp.web.estimates import Traffic, audit_rate

    with connection.cursor() as cursor:
        cursor.execute(
            _SAID + _TRAFFIC,
            {
                "stream": stream.pk,
                "version": version.pk,
                "class": answer,
                "window": WINDOW,
                "guardrails": sorted(GUARDRAIL_CODES),
            },
        )
        rows = cursor.fetchall()
    mine = next((row for row in rows if row[0] == answer), None)
    first, last = (min(row[5] for row in rows), max(row[6] for row in rows)) if rows else (None, None)
    days = max((last - first).total_seconds() / DAY, 1.0) if first is not None and last is not None else 1.0
    others = {row[0]: row[3] / days for row in rows if row[0] != answer}
    return Traffic(
        cases=sum(row[1] for row in rows),
        of_class=mine[1] if mine else 0,
        stopped=mine[2] if mine else 0,
        days=days,
        confidences=np.array(mine[7] if mine else [], dtype=np.float64),
        is_automatic=np.array(mine[8] if mine else [], dtype=np.bool_),
        others_automatic=sum(others.values()),
        others_audits=sum(
            each * audit_rate(each, policy.audit, policy.audit_rates.get(name)) for name, each in others.items() if each
        ),
    )


def labels_of(version: ModelVersion, answer: str, since: datetime | None) -> "Labels":
    """The honest labels of the class on this version that a look would count; overdue readings count as wrong.

    Those of cases that arrived from `since` on, up to the first that still waits for its blind answer.
    """
    from reviewapp.cases.actions.certifying import pending
    from reviewapp.gating.epochs import first_id_at
    from reviewapp.web.estimates import Labels

    first = first_id_at(since)
    cut = pending(version, first).get(answer)
    every = LedgerEntry.objects.filter(model_version=version, answer=answer, case_id__gte=first)
    entries = every.filter(case_id__lt=cut) if cut else every
    rows = entries.order_by("-case_id").values_list(
        "confidence", "inclusion_probability", "least_probability", "is_wrong"
    )
    return Labels.of(list(rows[:LABELS]), waiting=every.filter(case_id__gte=cut).count() if cut else 0)


def minutes_of(stream: Stream) -> Timed:
    with connection.cursor() as cursor:
        cursor.execute(_MINUTES, {"stream": stream.pk, "timed": TIMED})
        return Timed(*cursor.fetchone())


def certificates_in_force(stream: Stream, version_id: UUID | None) -> dict[str, Certificate]:
    """By class, those of one model version that are not void."""
    if version_id is None:
        return {}
    found = Certificate.objects.filter(stream=stream, model_version=version_id, voided_at__isnull=True)
    return {certificate.scope: certificate for certificate in found}
