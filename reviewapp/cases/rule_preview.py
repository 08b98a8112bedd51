"""What a routing rule would have done: worked out on a stream's newest cases, as they are stored."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction

from reviewapp.cases.models import Case
from reviewapp.cases.moments import first_id_at
from reviewapp.cases.permissions import OVERSEES, hides_model
from reviewapp.domain.errors import Invalid
from reviewapp.domain.policy import Rule
from reviewapp.gating.rules import Looked, RuleSet
from reviewapp.registry import rule_language
from reviewapp.registry.actors import Actor, check_role
from reviewapp.registry.models import Stream
from reviewapp.registry.policy_checks import columns_of
from reviewapp.registry.rule_language import CONFIDENCE, PREDICTED, Expression
from reviewapp.registry.rules import check_rule

MAX_CASES = 5000
MAX_DAYS = 365
MAX_EXAMPLES = 10
# Looked at for examples: some may hide what the model said of them.
CANDIDATES = 50
MAX_ERRORS = 3
# Read in one go, so that large inputs never fill the memory.
CHUNK = 500


@dataclass(slots=True)
class Preview:
    """A rule on `cases` cases: how many it sends to people, how many of these had acted alone, where it breaks.

    errors: sentences why it gave no answer, with how often. is_sample: there are older cases in the period.
    """

    when: str
    days: int
    cases: int = 0
    matched: int = 0
    matched_automatic: int = 0
    failed: int = 0
    is_sample: bool = False
    errors: list[tuple[str, int]] = field(default_factory=list)
    examples: list[Case] = field(default_factory=list)

    @property
    def share(self) -> float | None:
        """Of the cases; None where there are none."""
        return self.matched / self.cases if self.cases else None


def preview(*, stream: Stream, when: str, days: int, actor: Actor) -> Preview:
    """The rule on the newest cases of the last `days`, for those who oversee the stream.

    Raises Invalid for a rule that no policy may hold.
    """
    check_role(actor, stream, *OVERSEES)
    if not 1 <= days <= MAX_DAYS:
        message = f"“days” must be from 1 to {MAX_DAYS:,}."
        raise Invalid(message, errors=[{"field": "days", "code": "invalid", "message": message}])
    try:
        check_rule(when, columns_of(stream), classes=stream.classes)
    except Invalid as refusal:
        fault = {"field": "when", "code": refusal.code, "message": str(refusal)}
        raise Invalid(str(refusal), code=refusal.code, errors=[fault]) from None
    expression = rule_language.read(when)
    found, errors, matching = Preview(when, days), Counter[str](), list[UUID]()
    rules = RuleSet([Rule("preview", when)])
    for past in _past(stream, expression, days):
        if found.cases == MAX_CASES:
            found.is_sample = True
            continue
        found.cases += 1
        for _, why in rules.at_work(past.looked):
            if why:
                errors[why] += 1
            else:
                found.matched += 1
                found.matched_automatic += past.acted_alone
                matching.append(past.case_id)
    found.failed = errors.total()
    found.errors = errors.most_common(MAX_ERRORS)
    found.examples = _examples(matching[:CANDIDATES], expression, actor)
    return found


@dataclass(frozen=True, slots=True)
class _Past:
    case_id: UUID
    looked: Looked
    acted_alone: bool


_PAST = """
SELECT c.id, (SELECT jsonb_object_agg(name, i.features -> name) FROM unnest(%(names)s::text[]) AS name)::text,
    CASE WHEN %(context)s THEN i.context::text END, p.class, p.confidence, p.route = 'auto'
FROM cases_case c
JOIN cases_caseinput i ON i.case_id = c.id AND i.generation = c.generation
LEFT JOIN LATERAL (
    SELECT class, confidence, route FROM cases_prediction
    WHERE case_id = c.id AND generation = c.generation AND route IS NOT NULL
    ORDER BY created_at DESC, id DESC LIMIT 1
) p ON true
WHERE c.stream_id = %(stream)s AND c.id >= %(first)s AND c.state <> 'erased' AND (p.class IS NOT NULL OR NOT %(answer)s)
ORDER BY c.id DESC LIMIT %(limit)s
"""


def _past(stream: Stream, expression: Expression, days: int) -> Iterator[_Past]:
    """The newest cases, and one more; where the rule asks for the model's answer, those that have one."""
    values: dict[str, Any] = {
        "stream": stream.pk,
        "names": list(expression.names),
        "context": rule_language.CONTEXT in expression.given,
        "answer": bool({PREDICTED, CONFIDENCE} & expression.given),
        "limit": MAX_CASES + 1,
    }
    # A cursor on the server lives in a transaction; this one only reads.
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT now() - make_interval(days => %s)", [days])
            values["first"] = first_id_at(cursor.fetchone()[0])
        with connection.chunked_cursor() as rows:
            rows.execute(_PAST, values)
            while chunk := rows.fetchmany(CHUNK):
                yield from (_read(*row) for row in chunk)


def _read(  # noqa: PLR0917 the columns of a row
    case_id: UUID,
    features: str | None,
    context: str | None,
    answer: str | None,
    confidence: float | None,
    acted_alone: bool | None,
) -> _Past:
    looked = Looked(_object(features), _object(context), answer or "", confidence or 0.0)
    return _Past(case_id, looked, bool(acted_alone))


def _object(text: str | None) -> Mapping[str, Any]:
    read: Mapping[str, Any] = msgspec.json.decode(text) if text else {}
    return read


def _examples(case_ids: list[UUID], expression: Expression, actor: Actor) -> list[Case]:
    """Cases that the rule sends to people; none that would tell a person what the model said before they may know."""
    cases = Case.objects.visible_to(actor).filter(pk__in=case_ids).order_by("-pk")
    if {PREDICTED, CONFIDENCE} & expression.given:
        cases = cases.select_related("stream").prefetch_related("reviews__verdicts")
        return [case for case in cases if not hides_model(actor, case)][:MAX_EXAMPLES]
    return list(cases[:MAX_EXAMPLES])
