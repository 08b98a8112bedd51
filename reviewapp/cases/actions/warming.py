"""Keeping the versions warm that may be needed next, so that a rollback waits for no model to load."""

import structlog

from reviewapp.cases.actions.serving import ServingPlan
from reviewapp.cases.loading import loaded
from reviewapp.registry.models import Bundle

log = structlog.get_logger(__name__)

_waiting: dict[str, Bundle] = {}
# What each stream's versions were when they were last noted: a plan is read with every batch and seldom changes.
_noted: dict[object, tuple[str, ...]] = {}


def note(plan: ServingPlan) -> None:
    """Remember the plan's versions for `warm_one`; costs nothing while the plan stays the same."""
    if plan.primary is None:
        return
    bundles = [version.bundle for version in plan.others if version.bundle is not None]
    digests = tuple(bundle.digest for bundle in bundles)
    if _noted.get(plan.primary.stream_id) != digests:
        _noted[plan.primary.stream_id] = digests
        _waiting.update((bundle.digest, bundle) for bundle in bundles)


def warm_one() -> int:
    """Load one of them into this process; answers how many were. Call it when nothing waits to be scored."""
    if not _waiting:
        return 0
    digest, bundle = _waiting.popitem()
    try:
        loaded(bundle)
    except Exception:
        # It will be tried again when it is needed, and say so then.
        log.exception("model.not_warmed", bundle=digest)
    return 1
