"""Uploaded models go through the upload gate, in a child process that the holder of the work watches."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from django.db import transaction

from reviewapp import inference_client
from reviewapp.cases.actions import work
from reviewapp.cases.models import Work
from reviewapp.celery import enqueue
from reviewapp.registry.actions import bundles
from reviewapp.registry.actions.versions import files_of
from reviewapp.registry.actors import Actor
from reviewapp.registry.models import Bundle, ModelVersion, Stream

if TYPE_CHECKING:
    from inference.upload_gate import GateResult

log = structlog.get_logger(__name__)

CHECK_TASK = "cases.drain_checks"
Checked = tuple[ModelVersion, "GateResult", Mapping[str, bytes]]


@transaction.atomic
def upload(*, stream: Stream, files: Mapping[str, bytes], by: Actor, name: str = "") -> ModelVersion:
    """Take an upload in as a version of the stream and ask for its check; the answer does not wait for that."""
    version = bundles.receive(stream=stream, files=files, by=by, name=name)
    bundle = version.bundle
    assert bundle is not None, "only bundles are uploaded"
    if bundle.state == Bundle.State.CHECKING:
        work.add(kind=Work.Kind.CHECK_BUNDLE, subjects=[bundle.digest])
        enqueue(CHECK_TASK)
    return version


def check_batch() -> int:
    """Claim one uploaded bundle and check it; answers how many were taken."""
    lease = work.claim(kind=Work.Kind.CHECK_BUNDLE, limit=1)
    for row in lease.rows:
        _check(lease.token, row)
    return len(lease.rows)


def _check(token: UUID, row: work.Claimed) -> None:
    bundle = Bundle.objects.filter(pk=row.subject, state=Bundle.State.CHECKING).first()
    versions = _versions_of(bundle) if bundle else []
    if bundle is None or not versions:
        work.finish(token=token, ids=[row.id])
        return
    try:
        if row.attempts > work.MAX_ATTEMPTS:
            raise CheckDied
        files = files_of(bundle)
        checked = [_examine(version, files, token=token) for version in versions]
    except Exception as error:
        if not isinstance(error, CheckDied):
            log.exception("bundle.check_failed", bundle=bundle.digest)
        if row.attempts < work.MAX_ATTEMPTS:
            work.give_back(token=token, ids=[row.id], error=repr(error), wait=work.BACK_OFF * row.attempts)
            return
        checked = [(version, _undecided(), {}) for version in versions]
    with transaction.atomic():
        if work.finish(token=token, ids=[row.id]):
            for version, result, made in checked:
                bundles.settle(version=version, result=result, files=made)
                log.info("bundle.checked", bundle=bundle.digest, state=result["state"], code=result["code"])


def _versions_of(bundle: Bundle) -> list[ModelVersion]:
    return list(bundle.model_versions.select_related("stream", "bundle").order_by("pk"))


def _examine(version: ModelVersion, files: Mapping[str, bytes], *, token: UUID) -> Checked:
    result, made = inference_client.examine(
        files, classes=version.stream.classes, heartbeat=partial(work.extend, token=token)
    )
    work.extend(token=token)
    return version, result, made


def _undecided() -> "GateResult":
    return inference_client.refused_by_gate(
        "gate_crashed", "The check could not be brought to an end; upload the model again or ask an administrator."
    )


class CheckDied(Exception):
    """The processes that checked this died so often that nobody tries once more."""
