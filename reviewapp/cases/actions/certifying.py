"""The looks: every stream's evidence, with the reviews that are still to be answered, judged by its policy."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache, partial
from uuid import UUID

import structlog
from django.db import connection

from reviewapp.cases.actions import audit_rates, evidence
from reviewapp.cases.moments import first_id_at
from reviewapp.gating.actions import certificates
from reviewapp.gating.actions.certificates import Situation
from reviewapp.gating.actions.ladders import Served
from reviewapp.gating.models import Certificate
from reviewapp.registry.actions.rollouts import lineup_of
from reviewapp.registry.models import ModelVersion, PolicyVersion, Stream
from reviewapp.registry.policies import read_body

log = structlog.get_logger(__name__)

# The newest predictions that a ladder is drawn from, and from how far back.
WINDOW = 300_000
DAYS = 30
SECONDS_PER_DAY = 86_400
# Confidences of one class that are plenty for 32 rungs.
PLENTY = 20_000

# A version's predictions are walked along the primary key, whose ids follow time; the newest come first.
_SERVED = """
WITH newest AS MATERIALIZED (
    SELECT class, confidence, created_at FROM cases_prediction
    WHERE id >= %(first)s AND model_version_id = %(version)s AND role <> 'fallback' ORDER BY id DESC LIMIT %(window)s
)
SELECT
    (SELECT array_agg(confidence) FROM (SELECT confidence FROM newest WHERE class = %(answer)s LIMIT %(plenty)s) few),
    (SELECT count(*) FROM newest WHERE class = %(answer)s),
    (SELECT extract(epoch FROM clock_timestamp() - min(created_at)) / %(day)s FROM newest)
"""


def look_all(*, now: datetime | None = None) -> int:
    """Look at every stream with a promise; answers how many certificates were looked at. One that fails is logged."""
    looked = 0
    active = PolicyVersion.objects.filter(state=PolicyVersion.State.ACTIVE).select_related("stream").order_by("pk")
    for policy in active:
        try:
            looked += len(look(policy=policy, now=now))
        except Exception:
            log.exception("certificates.look_failed", stream=policy.stream.slug)
    return looked


def look(*, policy: PolicyVersion, now: datetime | None = None) -> list[Certificate]:
    """Look at the evidence on every version that serves or shadows a stream, under its active policy."""
    body = read_body(policy.body)
    lineup = lineup_of(policy.stream)
    before = {one.pk for one in certificates.in_force(policy.stream)}
    if not body.promises and not before:
        return []
    versions = [lineup.primary, lineup.canary, lineup.tier, *lineup.shadows] if lineup else []
    found: list[Certificate] = []
    for version in versions:
        if version is not None:
            situation = Situation(
                policy=body,
                policy_number=policy.number,
                served=partial(served, version),
                pending=cache(partial(pending, version)),
                now=now,
            )
            found += certificates.look(version=version, situation=situation)
    certificates.expire(stream=policy.stream, now=now)
    if any(one.pk not in before and one.state == Certificate.State.CERTIFIED for one in found):
        # What may act from now on is audited from now on.
        audit_rates.set_rates(stream=policy.stream)
    return found


def pending(version: ModelVersion, first: UUID) -> Mapping[str, UUID]:
    """The first sampled case of each class, from `first` on, that still waits for its blind answer.

    The evidence ends before it.
    """
    return evidence.pending_since(version, first)


def served(version: ModelVersion, answer: str) -> Served:
    """The confidences a version gave a class lately, and the honest labels a day that reviews of it would bring."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT greatest(%s, clock_timestamp() - make_interval(days => %s))", [version.created_at, DAYS])
        since = cursor.fetchone()[0]
        cursor.execute(
            _SERVED,
            {
                "first": first_id_at(since),
                "version": version.pk,
                "answer": answer,
                "window": WINDOW,
                "plenty": PLENTY,
                "day": SECONDS_PER_DAY,
            },
        )
        scores, number, days = cursor.fetchone()
    if not scores:
        return Served()
    # A first day brings no rate yet; taken for a whole day it cannot promise too much.
    return Served(scores, number / max(float(days), 1.0) * _share_read_blind(version.stream))


def _share_read_blind(stream: Stream) -> float:
    return stream.blind_share if stream.review_mode == Stream.Mode.ASSISTED else 1.0
