"""Back-tests as they are looked at: by whom, and the cases behind their numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from reviewapp.cases.permissions import oversees
from reviewapp.domain.errors import Forbidden, NotFound
from reviewapp.gating.models import BackTest
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import PolicyVersion, Stream

# A person must not learn what the model said of a case that they are about to answer unseen.
_CHANGES = """
SELECT b.id, b.case_id, c.external_id, b.route_before, b.route_after, b.class, b.confidence, b.truth, b.reason,
    c.received_at
FROM gating_backtestchange b JOIN cases_case c ON c.id = b.case_id
WHERE b.back_test_id = %(test)s AND b.id > %(after)s
  AND (%(route)s::text IS NULL OR b.route_after = %(route)s)
  AND (%(answer)s::text IS NULL OR b.class = %(answer)s)
  AND (NOT %(contradicted)s OR b.truth <> b.class)
  AND NOT EXISTS (SELECT 1 FROM cases_review r WHERE r.case_id = b.case_id AND r.state = 'open'
                  AND r.mode <> 'assisted' AND r.claimed_by_id = %(reader)s)
ORDER BY b.id LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Changed:
    """A case that would take another route; `id` orders the list. truth: None where nobody has told it."""

    id: int
    case_id: UUID
    external_id: str
    route_before: str
    route_after: str
    answer: str
    confidence: float
    truth: str | None
    reason: str
    received_at: datetime

    @property
    def is_contradicted(self) -> bool:
        return self.truth is not None and self.truth != self.answer


def check_sees(actor: Actor, stream: Stream) -> None:
    """Refuse back-tests to those who do not oversee the stream: they tell what the model says of each case."""
    if not oversees(actor, stream):
        raise Forbidden(
            "Back-tests are shown to leads, auditors, policy owners and model owners.", code="role_required"
        )


def of_policy(policy: PolicyVersion) -> QuerySet[BackTest]:
    """The back-tests of a version, newest first."""
    return BackTest.objects.filter(policy_version=policy).order_by("-pk")


def found(stream: Stream, back_test_id: UUID, *, by: Actor) -> BackTest:
    """A back-test of the stream. Raises NotFound, or Forbidden for who may not see it."""
    check_sees(by, stream)
    test = (
        BackTest.objects.select_related("policy_version__stream")
        .filter(pk=back_test_id, policy_version__stream=stream)
        .first()
    )
    if test is None:
        raise NotFound("There is no such back-test.")
    return test


def changes_of(
    back_test: BackTest,
    *,
    by: Actor,
    to: str | None = None,
    answer: str | None = None,
    is_contradicted: bool = False,
    after: int = 0,
    limit: int = 100,
) -> Sequence[Changed]:
    """The cases that would change route, in the order they arrived; `to`: those whose new route it is.

    `after` is the id of the last one seen.
    """
    check_sees(by, back_test.policy_version.stream)
    values: dict[str, Any] = {
        "test": back_test.pk,
        "after": after,
        "route": to,
        "answer": answer,
        "contradicted": is_contradicted,
        "reader": by.user.pk if by.user else None,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CHANGES, values)
        return [Changed(*row) for row in cursor.fetchall()]


def is_of_this_body(back_test: BackTest, policy: PolicyVersion) -> bool:
    """Whether a finished back-test is about the version as it reads now."""
    return back_test.state == BackTest.State.DONE and (back_test.result or {}).get("body") == policy.body
