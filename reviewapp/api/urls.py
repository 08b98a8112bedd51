from django.urls import URLPattern, path, re_path

from reviewapp.api import (
    amendments,
    back_tests,
    breakers,
    bulk,
    cases,
    certificates,
    comparisons,
    deliveries,
    docs,
    endpoints,
    evidence,
    explanation_files,
    exports,
    feeds,
    model_versions,
    policies,
    replays,
    reviews,
    rollouts,
    rule_previews,
    similar,
    streams,
)
from reviewapp.api.base import UnknownPath

app_name = "api"
_stream = "streams/<slug:stream>"
_case = "cases/<uuid:case_id>"
_review = "reviews/<uuid:review_id>"
_policy = f"{_stream}/policies/<int:number>"
_back_test = f"{_stream}/back-tests/<uuid:back_test_id>"
_endpoint = "endpoints/<uuid:endpoint_id>"

urlpatterns: list[URLPattern] = [
    path("schema", docs.SchemaView.as_view(), name="schema"),
    path("docs", docs.DocsView.as_view(), name="docs"),
    path("streams", streams.StreamsView.as_view(), name="streams"),
    path(_stream, streams.StreamView.as_view(), name="stream"),
    path(f"{_stream}/contract", streams.ContractView.as_view(), name="contract"),
    path(f"{_stream}/hold", streams.HoldView.as_view(), name="hold"),
    path(f"{_stream}/cases", cases.CasesView.as_view(), name="cases"),
    path(f"{_stream}/cases/bulk", bulk.BulkView.as_view(), name="cases-bulk"),
    path(f"{_stream}/model-versions", model_versions.ModelVersionsView.as_view(), name="model-versions"),
    path(f"{_stream}/model-versions/<int:number>", model_versions.ModelVersionView.as_view(), name="model-version"),
    path(f"{_stream}/model-versions/<int:number>/history", certificates.HistoryView.as_view(), name="history"),
    path(f"{_stream}/certificates", certificates.CertificatesView.as_view(), name="certificates"),
    path(f"{_stream}/parity", certificates.ParityView.as_view(), name="parity"),
    path(f"{_stream}/breakers", breakers.BreakersView.as_view(), name="breakers"),
    path(f"{_stream}/breakers/<path:answer>/rearm", breakers.RearmView.as_view(), name="breaker-rearm"),
    path(f"{_stream}/breakers/<path:answer>/recall", breakers.ClassRecallView.as_view(), name="breaker-recall"),
    path(f"{_stream}/rollouts", rollouts.RolloutsView.as_view(), name="rollouts"),
    path(f"{_stream}/policies", policies.PoliciesView.as_view(), name="policies"),
    path(f"{_stream}/policies/preview-rule", rule_previews.RulePreviewView.as_view(), name="policy-preview-rule"),
    path(_policy, policies.PolicyView.as_view(), name="policy"),
    path(f"{_policy}/propose", policies.ProposeView.as_view(), name="policy-propose"),
    path(f"{_policy}/approve", policies.ApproveView.as_view(), name="policy-approve"),
    path(f"{_policy}/send-back", policies.SendBackView.as_view(), name="policy-send-back"),
    path(f"{_policy}/activate", policies.ActivateView.as_view(), name="policy-activate"),
    path(f"{_policy}/roll-back", policies.RollBackView.as_view(), name="policy-roll-back"),
    path(f"{_policy}/back-tests", back_tests.PolicyBackTestsView.as_view(), name="policy-back-tests"),
    path(_back_test, back_tests.BackTestView.as_view(), name="back-test"),
    path(f"{_back_test}/cancel", back_tests.CancelView.as_view(), name="back-test-cancel"),
    path(f"{_back_test}/changes", back_tests.ChangesView.as_view(), name="back-test-changes"),
    path(f"{_stream}/comparison", comparisons.ComparisonView.as_view(), name="comparison"),
    path(f"{_stream}/decisions", feeds.DecisionsView.as_view(), name="decisions"),
    path(f"{_stream}/labels", feeds.LabelsView.as_view(), name="labels"),
    path(_case, cases.CaseView.as_view(), name="case"),
    path(f"{_case}/input", amendments.InputView.as_view(), name="case-input"),
    path(f"{_case}/outcome", amendments.OutcomeView.as_view(), name="case-outcome"),
    path(f"{_case}/explanation", evidence.ExplanationView.as_view(), name="case-explanation"),
    path(
        f"{_case}/explanation/export", explanation_files.ExplanationFileView.as_view(), name="case-explanation-export"
    ),
    path(f"{_case}/similar", similar.SimilarView.as_view(), name="case-similar"),
    path(f"{_case}/timeline", evidence.TimelineView.as_view(), name="case-timeline"),
    path(f"{_case}/replay", replays.ReplaysView.as_view(), name="case-replay"),
    path(f"{_case}/replays/<uuid:replay_id>", replays.ReplayView.as_view(), name="case-replay-read"),
    path(f"{_case}/export", exports.ExportView.as_view(), name="case-export"),
    path("reviews", reviews.ReviewsView.as_view(), name="reviews"),
    path("reviews/claim", reviews.ClaimView.as_view(), name="review-claim"),
    path(_review, reviews.ReviewView.as_view(), name="review"),
    path(f"{_review}/submit", reviews.SubmitView.as_view(), name="review-submit"),
    path(f"{_review}/release", reviews.ReleaseView.as_view(), name="review-release"),
    path(f"{_review}/extend", reviews.ExtendView.as_view(), name="review-extend"),
    path(f"{_review}/skip", reviews.SkipView.as_view(), name="review-skip"),
    path(f"{_review}/undo", reviews.UndoView.as_view(), name="review-undo"),
    path("endpoints", endpoints.EndpointsView.as_view(), name="endpoints"),
    path(_endpoint, endpoints.EndpointView.as_view(), name="endpoint"),
    path(f"{_endpoint}/ping", endpoints.PingView.as_view(), name="endpoint-ping"),
    path(f"{_endpoint}/rotate", endpoints.RotateView.as_view(), name="endpoint-rotate"),
    path("deliveries", deliveries.DeliveriesView.as_view(), name="deliveries"),
    path("deliveries/<uuid:delivery_id>/redeliver", deliveries.RedeliverView.as_view(), name="delivery-redeliver"),
    # Also keeps Django from answering a missing slash with a redirect.
    re_path("", UnknownPath.as_view(), name="unknown"),
]
