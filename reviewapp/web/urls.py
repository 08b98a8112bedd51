from django.urls import path

from reviewapp.web.views import home, queue, review

urlpatterns = [
    path("", home.home, name="home"),
    path("s/<slug:slug>/queue", queue.queue, name="queue"),
    path("s/<slug:slug>/queue/start", queue.start, name="queue_start"),
    path("s/<slug:slug>/queue/prefetch", queue.prefetch, name="queue_prefetch"),
    path("reviews/<uuid:review_id>", review.review, name="review"),
    path("reviews/<uuid:review_id>/claim", review.claim, name="review_claim"),
    path("reviews/<uuid:review_id>/submit", review.submit, name="review_submit"),
    path("reviews/<uuid:review_id>/skip", review.skip, name="review_skip"),
    path("reviews/<uuid:review_id>/release", review.release, name="review_release"),
    path("reviews/<uuid:review_id>/undo", review.undo, name="review_undo"),
    path("reviews/<uuid:review_id>/draft", review.draft, name="review_draft"),
    path("reviews/<uuid:review_id>/claims/<uuid:claim_token>/extend", review.extend, name="review_extend"),
]
