"""One row of every table, most of them made by the real actions."""

from datetime import UTC, datetime
from uuid import UUID

from django.db import models

from reviewapp.api.models import IdempotencyKey
from reviewapp.cases.actions import labelling, reopening, work
from reviewapp.cases.models import (
    CachedResult,
    CacheUse,
    CaseInput,
    Decision,
    Embedding,
    Explanation,
    Label,
    Prediction,
    Recall,
    ReviewDraft,
    ReviewSkip,
    VectorBuild,
    Verdict,
    Work,
)
from reviewapp.events.models import Event
from reviewapp.gating import models as gating
from reviewapp.monitoring.models import Alert, MetricSnapshot
from reviewapp.registry import models as registry
from reviewapp.registry.actions import clients, versions
from reviewapp.registry.actors import SYSTEM
from reviewapp.webhooks.models import Delivery, DeliveryAttempt, Endpoint, EndpointSecret
from tests.factories import bundles, cases, reviews, streams, teams

World = dict[str, models.Model]
START, END = datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 2, 28, tzinfo=UTC)


def build() -> World:
    stream = streams.ready()
    return {**_registry(stream), **_gating(stream), **_cases(stream), **_outside(stream)}


def _registry(stream: registry.Stream) -> World:
    key, _ = clients.create_key(team=stream.team, client_name="upstream", scopes=["cases:read"], by=SYSTEM)
    version = stream.model_versions.get()
    canary = registry.RolloutMember.objects.create(
        rollout=stream.live_rollout, model_version=bundles.version(stream, "parcels-2"), role="canary", share=0.1
    )
    tier = registry.RolloutMember.objects.create(
        rollout=stream.live_rollout, model_version=bundles.version(stream, "parcels-3"), role="tier", sure_from=0.01
    )
    return {
        "stream": stream,
        "client": key.client,
        "api_key": key,
        "policy": stream.policy_versions.get(),
        "revision": stream.revisions.get(),
        "membership": teams.grant(teams.user(), role="lead"),
        "bundle": version.bundle,
        "chunk": version.bundle.chunks.first(),
        "version": version,
        "external_version": versions.register_external(stream=stream, name="upstream-model", by=SYSTEM),
        "rollout": stream.live_rollout,
        "primary": stream.live_rollout.members.get(role="primary"),
        "canary": canary,
        "tier": tier,
    }


def _gating(stream: registry.Stream) -> World:
    version = stream.model_versions.get(number=1)
    back_test = gating.BackTest.objects.create(
        policy_version=stream.policy_versions.get(), period_start=START, period_end=END, created_by="system"
    )
    return {
        "hold": gating.Hold.objects.create(scope="deliveries", reason="Doubts.", placed_by="system"),
        "audit_rate": gating.AuditRate.objects.create(
            stream=stream, model_version=version, answer="lost", day=START.date(), rate=0.1, cause="planned"
        ),
        "certificate": gating.Certificate.objects.create(
            stream=stream, model_version=version, scope="joint", number=1, target_error=0.02, confidence=0.95
        ),
        "ledger_entry": gating.LedgerEntry.objects.create(
            model_version=version,
            case_id=UUID(int=1),
            answer="intact",
            truth="intact",
            confidence=0.9,
            coin=0.05,
            inclusion_probability=0.1,
            least_probability=0.1,
            is_wrong=False,
            is_automatic=True,
        ),
        "labelled_history": gating.LabelledHistory.objects.create(
            stream=stream,
            model_version=version,
            digest=b"h" * 32,
            file_name="history.csv",
            drawn="random",
            declaration="Every tenth.",
            rows=[],
            num_rows=0,
            created_by="system",
        ),
        "breaker": gating.Breaker.objects.create(stream=stream, answer="intact"),
        "circuit": gating.Circuit.objects.create(kind="endpoint", subject=UUID(int=1)),
        "back_test": back_test,
        "back_test_change": gating.BackTestChange.objects.create(
            back_test=back_test,
            case_id=UUID(int=1),
            route_before="auto",
            route_after="review",
            answer="intact",
            confidence=0.9,
            reason="below_threshold",
        ),
    }


def _cases(stream: registry.Stream) -> World:
    decided = cases.decided(stream)
    reopening.amend(case_id=decided.pk, generation=1, features=bundles.CLEARLY_DAMAGED, by=SYSTEM)
    cases.score_all()
    reviewed = cases.in_review(stream)
    review = reviewed.reviews.get()
    user = teams.member(role="reviewer")
    skip = ReviewSkip.objects.create(review=review, user=user)
    draft = ReviewDraft.objects.create(review=review, user=user)
    cases.explain_all()
    labelled = reviews.settled(stream, user)
    labelling.record_outcome(case_id=labelled.pk, answer="damaged", by=SYSTEM)
    work.add(kind="export", subjects=["a"])
    first, second = Decision.objects.filter(case=decided).order_by("sequence")
    first_label, label = Label.objects.filter(case=labelled).order_by("sequence")
    return {
        "decided": decided,
        "case_input": CaseInput.objects.get(case=reviewed),
        "prediction": Prediction.objects.get(case=decided, generation=1),
        "reviewed": reviewed,
        "reviewed_prediction": Prediction.objects.get(case=reviewed),
        "embedding": Embedding.objects.get(case=reviewed),
        "vector_build": VectorBuild.objects.create(stream=stream, space="d" * 64),
        "recall": Recall.objects.create(
            stream=stream,
            model_version=stream.model_versions.get(number=2),
            since=START,
            reason="Doubts.",
            created_by="system",
            reached=UUID(int=0),
        ),
        "cached_result": CachedResult.objects.create(
            bundle="d" * 64, fingerprint=b"f" * 32, probabilities=[0.5, 0.5], provider="CPUExecutionProvider"
        ),
        "cache_use": CacheUse.objects.create(model_version=stream.model_versions.get(number=1)),
        "explanation": Explanation.objects.get(prediction__case=reviewed),
        "first_decision": first,
        "decision": second,
        "first_label": first_label,
        "label": label,
        "work": Work.objects.get(kind="export"),
        "review": review,
        "skip": skip,
        "draft": draft,
        "verdict": Verdict.objects.get(),
        "somebody_else": teams.user(),
    }


def _outside(stream: registry.Stream) -> World:
    event = Event.objects.filter(case_id__isnull=False).first()
    endpoint = Endpoint.objects.create(team=stream.team, url="https://example.org/hook")
    delivery = Delivery.objects.create(event=event, endpoint=endpoint)
    return {
        "event": event,
        "endpoint": endpoint,
        "secret": EndpointSecret.objects.create(endpoint=endpoint, number=1, encrypted=b"x"),
        "delivery": delivery,
        "attempt": DeliveryAttempt.objects.create(delivery=delivery, number=1, seconds=0.1),
        "snapshot": MetricSnapshot.objects.create(name="n", at=START, value=1.0),
        "alert": Alert.objects.create(name="n", severity="page", summary="s"),
        "idempotency_key": IdempotencyKey.objects.create(
            client=registry.Client.objects.get(), key="k", route="r", fingerprint=b"f"
        ),
    }
