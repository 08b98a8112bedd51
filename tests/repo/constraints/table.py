"""Every constraint of the schema and how to break it."""

from datetime import UTC, datetime
from uuid import UUID

from tests.repo.constraints.violation import Violation, broken

MOMENT = datetime(2026, 1, 31, tzinfo=UTC)
TOKEN = UUID(int=7)

REGISTRY = {
    "client_name": broken("client"),
    "api_key_scopes": broken("api_key", prefix="other", scopes=[]),
    "policy_version_number": broken("policy", state="draft"),
    "policy_version_one_active": broken("policy", number=99),
    "policy_version_state": broken("policy", state="sleeping"),
    "policy_version_two_persons": broken("policy", approved_by="system", approved_at=MOMENT),
    "policy_version_approval": broken("policy", approved_by="user:7", approved_at=None),
    "policy_version_proposal": broken("policy", proposed_at=None),
    "policy_version_tested": broken("policy", state="proposed", back_test_id=None, untested_because=""),
    "policy_version_second_person": broken("policy", state="retired", unapproved_because=""),
    "stream_slug": broken("stream"),
    "stream_blind_share": broken("stream", blind_share=1.1),
    "stream_classes": broken("stream", classes=["only"]),
    "stream_review_mode": broken("stream", review_mode="hasty"),
    "stream_revision_number": broken("revision"),
    "stream_revision_kind": broken("revision", kind="poem"),
    "membership_once": broken("membership"),
    "membership_role": broken("membership", role="king"),
    "bundle_state": broken("bundle", pk="other", state="sleeping"),
    "bundle_refusal_with_state": broken("bundle", pk="other", state="refused", refusal=""),
    "bundle_chunk_number": broken("chunk"),
    "model_version_number": broken("version", kind="external", bundle=None),
    "model_version_bundle": broken("version", number=99),
    "model_version_kind": broken("version", number=99, kind="external"),
    "rollout_generation": broken("rollout"),
    "rollout_step": broken("rollout", step="backwards"),
    "rollout_member_once": broken("primary", role="shadow"),
    "rollout_one_primary": broken("primary", model_version="row:external_version"),
    "rollout_one_canary": broken("canary", model_version="row:external_version"),
    "rollout_member_share": broken("primary", share=0.5),
    "rollout_one_tier": broken("tier", model_version="row:external_version"),
    "rollout_member_sure_from": broken("tier", sure_from=1.5),
}

GATING = {
    "hold_one_open": broken("hold"),
    "hold_scope": broken("hold", scope="sleep"),
    "hold_lifted": broken("hold", lifted_by="user:7"),
    "audit_rate_of_day": broken("audit_rate"),
    "audit_rate_range": broken("audit_rate", rate=1.1),
    "certificate_number": broken("certificate"),
    "certificate_state": broken("certificate", state="hoped"),
    "certificate_promise": broken("certificate", target_error=0.0),
    "certificate_threshold": broken("certificate", state="certified", threshold=None),
    "ledger_entry_once": broken("ledger_entry"),
    "certificate_one_in_force": broken("certificate", number=2),
    "labelled_history_once": broken("labelled_history"),
    "labelled_history_drawn": broken("labelled_history", drawn="cherries"),
    "ledger_entry_probability": broken("ledger_entry", inclusion_probability=2.0),
    "ledger_entry_least_probability": broken("ledger_entry", least_probability=0.5),
    "ledger_entry_overdue": broken("ledger_entry", is_overdue=True),
    "breaker_once": broken("breaker"),
    "breaker_state": broken("breaker", state="ajar"),
    "breaker_rearm": broken("breaker", rearm_asked_by="user:1"),
    "back_test_state": broken("back_test", state="hoped"),
    "back_test_result": broken("back_test", state="done", result=None),
    "back_test_change_once": broken("back_test_change"),
    "circuit_once": broken("circuit"),
    "circuit_kind": broken("circuit", kind="stream"),
    "circuit_probe": broken("circuit", opened_at=MOMENT),
    "back_test_period": broken("back_test", period_end=MOMENT),
}

CASES = {
    "case_external_id": broken("decided"),
    "case_state": broken("decided", state="lost"),
    "case_coins": broken("decided", coin=1.0),
    "case_generation": broken("decided", generation=0),
    "case_input_generation": broken("case_input"),
    "prediction_once": broken("prediction"),
    # Implied by the primary key; it is there for decision_prediction_route to refer to.
    "prediction_route_key": Violation("prediction", {"pk": "key:prediction"}, by="cases_prediction_pkey"),
    "prediction_shadow_cannot_route": broken("prediction", role="shadow"),
    "prediction_fallback_cannot_act": broken("prediction", role="fallback"),
    "prediction_route": broken("prediction", route="nowhere"),
    "prediction_confidence": broken("prediction", confidence=1.1),
    "prediction_probability": broken("prediction", inclusion_probability=-0.1),
    "cached_result_once": broken("cached_result"),
    "cache_use_hits": broken("cache_use", model_version="row:external_version", hits=1),
    "embedding_once": broken("embedding"),
    "vector_build_once": broken("vector_build"),
    "vector_build_ends": broken("vector_build", space="other", newest=TOKEN),
    "explanation_once": broken("explanation"),
    "explanation_state": broken("explanation", base_value=None),
    "decision_sequence": broken("decision", supersedes="row:decision"),
    "decision_one_first": Violation("first_decision", without=("decision_sequence",)),
    "decision_chain": broken("decision", sequence=1),
    "decision_class": broken("decision", answer=None),
    "decision_auto_needs_route": broken("decision", prediction_route=None),
    "decision_human_needs_review": broken("decision", source="human", prediction_route=None),
    "decision_prediction_route": broken(
        "first_decision", case="row:reviewed", prediction="row:reviewed_prediction", prediction_route="auto"
    ),
    "cases_decision_supersedes_id_key": broken("decision", sequence=99),
    "label_sequence": broken("label", supersedes="row:label"),
    "label_one_first": Violation("first_label", without=("label_sequence",)),
    "label_chain": broken("label", sequence=1),
    "label_class": broken("label", answer=None),
    "label_verdict": broken("label", source="review", verdict=None),
    "label_honest_probability": broken("label", is_honest=True, inclusion_probability=None),
    "cases_label_supersedes_id_key": broken("label", sequence=99),
    "recall_one_under_way": broken("recall"),
    "recall_unsent_of_recalled": broken("recall", num_unsent=1),
    "recall_reason": broken("recall", reason=""),
    "recall_segment_of_class": broken("recall", segment="north"),
    "work_once": broken("work"),
    "work_lease": broken("work", lease_token=TOKEN),
}

REVIEWS = {
    "review_round": broken("review"),
    "review_claim": broken("review", claim_token=TOKEN),
    "review_closed": broken("review", state="done"),
    "review_probability": broken("review", inclusion_probability=1.1),
    "review_mode": broken("review", mode="hasty"),
    "review_audit_is_blind": broken("review", kind="audit"),
    "review_skip_once": broken("skip"),
    "review_draft_once": broken("draft"),
    "verdict_once": broken("verdict", status="late"),
    "verdict_one_counted": broken("verdict", reviewer="row:somebody_else"),
    "verdict_stage": broken("verdict", stage="middle"),
    "verdict_status": broken("verdict", status="ignored"),
    "verdict_seconds": broken("verdict", seconds=-1.0),
}

OUTSIDE = {
    "event_case_sequence": broken("event"),
    "event_sequence_with_case": broken("event", sequence=None),
    "endpoint_url": broken("endpoint"),
    "endpoint_state": broken("endpoint", state="asleep"),
    "endpoint_secret_number": broken("secret"),
    "delivery_once": broken("delivery"),
    "delivery_lease": broken("delivery", lease_token=TOKEN),
    "delivery_closed": broken("delivery", state="delivered"),
    "delivery_attempt_number": broken("attempt"),
    "metric_snapshot_once": broken("snapshot"),
    "alert_one_open": broken("alert"),
    "idempotency_key_once": broken("idempotency_key"),
    "idempotency_key_owner": broken("idempotency_key", client=None),
}

VIOLATIONS = {**REGISTRY, **GATING, **CASES, **REVIEWS, **OUTSIDE}

# Trigger → the row, and the column whose change it refuses.
READ_ONLY = {
    "policy_version_body_read_only": ("policy", {"body": {}}),
    "decision_append_only": ("decision", {"actor": "nobody"}),
    "label_append_only": ("label", {"actor": "nobody"}),
    "explanation_append_only": ("explanation", {"output_value": 0.0}),
    "verdict_append_only": ("verdict", {"note": "changed"}),
    "event_append_only": ("event", {"actor": "nobody"}),
}
DELETABLE = {"policy_version_body_read_only"}
