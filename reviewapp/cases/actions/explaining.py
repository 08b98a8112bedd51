"""Explanations: a work item of their own after routing, so that no decision ever waits for one."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import structlog
import uuid_utils.compat as uuid
from django.db import transaction

from reviewapp import inference_client
from reviewapp.cases.actions import work
from reviewapp.cases.loading import loaded
from reviewapp.cases.models import Explanation
from reviewapp.crashpoints import crashpoint
from reviewapp.registry.models import Bundle
from reviewapp.writing import array, execute, write_rows

if TYPE_CHECKING:
    from inference.explain import Explanation as Explained

log = structlog.get_logger(__name__)

BATCH = 32
# Seconds that one slice of a batch may take: so long a case that somebody just opened waits for others.
PATIENCE = 1.0
UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A prediction that waits for its explanation, with its work row and its own generation's input."""

    row: work.Claimed
    prediction_id: UUID
    answer: str
    features: Mapping[str, Any]


class _Pace:
    """Seconds per explanation, as last seen: costly models are explained a few at a time, cheap ones all at once."""

    def __init__(self) -> None:
        self._seconds = 0.0

    @property
    def room(self) -> int:
        """How many explanations fit into one slice."""
        return BATCH if self._seconds * BATCH <= PATIENCE else max(1, int(PATIENCE / self._seconds))

    @contextmanager
    def of(self, number: int) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._seconds = (time.perf_counter() - started) / number


_pace = _Pace()


def explain_batch() -> int:
    """Claim predictions that people will look at and explain them, those on a screen first; answers how many."""
    lease = work.claim(kind="explain", limit=_pace.room)
    if not lease.rows:
        return 0
    crashpoint("explaining.after_claim")
    by_bundle = _load(lease)
    orphans = set(lease.ids) - {one.row.id for group in by_bundle.values() for one in group}
    if orphans:
        work.finish(token=lease.token, ids=sorted(orphans))
    is_first = True
    for digest, group in by_bundle.items():
        left = group
        while left:
            if not is_first:
                work.extend(token=lease.token)
            now, left = left[: _pace.room], left[_pace.room :]
            with _pace.of(len(now)):
                _explain(lease.token, Bundle(digest=digest), now)
            is_first = False
    return len(lease.rows)


_LOAD = """
SELECT p.id, v.bundle_id, p.class, i.features::text
FROM cases_prediction p
JOIN registry_modelversion v ON v.id = p.model_version_id AND v.bundle_id IS NOT NULL
JOIN cases_caseinput i ON i.case_id = p.case_id AND i.generation = p.generation
WHERE p.id = ANY(%s::uuid[])
"""


def _load(lease: work.Lease) -> dict[str, list[Waiting]]:
    """What can be explained, by bundle. An amendment since the prediction has another generation's input."""
    rows = {row.subject: row for row in lease.rows}
    found = execute(_LOAD, [array(rows)])
    by_bundle: dict[str, list[Waiting]] = defaultdict(list)
    for prediction_id, digest, answer, features in found:
        one = Waiting(rows[str(prediction_id)], prediction_id, answer, msgspec.json.decode(features))
        by_bundle[digest].append(one)
    return by_bundle


def _explain(token: UUID, bundle: Bundle, group: Sequence[Waiting]) -> None:
    try:
        explained = inference_client.explain(
            loaded(bundle), [one.features for one in group], classes=[one.answer for one in group]
        )
    except Exception as error:
        if len(group) > 1:
            for one in group:
                _explain(token, bundle, [one])
            return
        log.exception("explanation.failed", prediction_id=str(group[0].prediction_id))
        _give_up_or_back(token, group[0], error)
        return
    with transaction.atomic():
        kept = work.finish(token=token, ids=[one.row.id for one in group])
        _write([(one, result) for one, result in zip(group, explained, strict=True) if one.row.id in kept])
        crashpoint("explaining.before_commit")


_KNOWN = "SELECT prediction_id, method FROM cases_explanation WHERE prediction_id = ANY(%s::uuid[])"


def _write(explained: "Sequence[tuple[Waiting, Explained]]") -> None:
    """Store them; what was explained by the same method before stays. The work row keeps everybody else away."""
    ids = array(one.prediction_id for one, _ in explained)
    known = set(execute(_KNOWN, [ids]))
    write_rows(
        "cases_explanation",
        "id, prediction_id, method, state, failure, class, output_space, base_value, output_value, residual, "
        "is_additive, background, attributions, sampling_error, evaluations",
        (
            (
                uuid.uuid7(),
                one.prediction_id,
                result.method,
                Explanation.State.READY.value,
                "",
                result.explained_class,
                result.output_space,
                result.base_value,
                result.output_value,
                result.residual,
                result.additive,
                result.background_digest,
                _attributions(result),
                result.largest_error,
                result.evaluations,
            )
            for one, result in explained
            if (one.prediction_id, result.method) not in known
        ),
    )


def _attributions(result: "Explained") -> str:
    """As they are stored and shown: the largest first, a text with its words, a sampled one with its error."""
    attributions = []
    for column, value, attribution in sorted(result.attributions, key=lambda entry: -abs(entry[2])):
        entry = {"column": column, "value": value, "attribution": attribution}
        if column in result.errors:
            entry["error"] = result.errors[column]
        if column in result.words:
            told = result.words[column]
            entry["words"] = [{"word": word, "attribution": part} for word, part in told.words]
            entry["rest"] = told.rest
        attributions.append(entry)
    return msgspec.json.encode(attributions).decode()


def _give_up_or_back(token: UUID, one: Waiting, error: Exception) -> None:
    row = one.row
    if row.attempts < work.MAX_ATTEMPTS:
        work.give_back(token=token, ids=[row.id], error=repr(error), wait=work.BACK_OFF * row.attempts)
        return
    with transaction.atomic():
        if work.finish(token=token, ids=[row.id]):
            Explanation.objects.get_or_create(
                prediction_id=one.prediction_id,
                method=UNAVAILABLE,
                defaults={
                    "state": Explanation.State.FAILED,
                    "failure": f"{type(error).__name__}: {error}"[:500],
                    "answer": one.answer,
                },
            )
