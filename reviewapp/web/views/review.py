"""The desk: one review at a time, every write by one POST."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from reviewapp.cases import permissions
from reviewapp.cases.actions import claims, verdicts
from reviewapp.cases.models import Review, Verdict
from reviewapp.domain.errors import Invalid, PreconditionFailed
from reviewapp.registry.models import Stream
from reviewapp.web.access import actor_of
from reviewapp.web.desk import Desk, desk_for
from reviewapp.web.queries import amendments, desk
from reviewapp.web.views.queue import to_next


@require_safe
def review(request: HttpRequest, review_id: UUID) -> HttpResponse:
    """The desk with this review on it; htmx asks the same address for the explanation alone."""
    actor = actor_of(request)
    shown = desk_for(actor, review_id)
    context = {"desk": shown, "review": shown.review, "stream": shown.review.stream}
    if request.headers.get("HX-Request"):
        response = _explanation(request, shown)
    else:
        context["saved"] = desk.just_saved(actor, request.GET.get("saved", ""))
        context["can_review"] = permissions.can_review(actor, shown.review.stream)
        open_and_mine = shown.is_mine and shown.review.state == Review.State.OPEN
        template = "review/desk.html" if open_and_mine else "review/closed.html"
        response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request"])
    response["Cache-Control"] = "no-store"
    return response


@require_POST
def claim(request: HttpRequest, review_id: UUID) -> HttpResponse:
    claims.claim(review_id=review_id, by=actor_of(request))
    return redirect("review", review_id)


@require_POST
def submit(request: HttpRequest, review_id: UUID) -> HttpResponse:
    """Keep an answer and go on: to the reveal, to the next case, or to a page that says what became of it."""
    actor = actor_of(request)
    try:
        submitted = verdicts.submit(
            review_id=review_id,
            claim_token=_claim_token(request),
            answer=request.POST.get("answer", ""),
            stage=request.POST.get("stage"),
            note=_note(request),
            generation=_generation(request),
            by=actor,
        )
    except PreconditionFailed as refusal:
        return _amended(request, review_id, refusal)
    shown = desk.review_at_desk(actor, review_id)
    if submitted.is_conflict:
        context = {"review": shown, "stream": shown.stream, "submitted": submitted}
        return render(request, "review/kept.html", context, status=409)
    if _is_first_of_two(submitted.verdict, shown):
        return redirect("review", review_id)
    return to_next(request, shown.stream, saved=str(review_id))


@require_POST
def skip(request: HttpRequest, review_id: UUID) -> HttpResponse:
    actor = actor_of(request)
    stream = permissions.visible_review(actor, review_id).stream
    claims.skip(review_id=review_id, claim_token=_claim_token(request), by=actor)
    return to_next(request, stream)


@require_POST
def release(request: HttpRequest, review_id: UUID) -> HttpResponse:
    actor = actor_of(request)
    stream = permissions.visible_review(actor, review_id).stream
    claims.release(review_id=review_id, claim_token=_claim_token(request), by=actor)
    return redirect("queue", stream.slug)


@require_POST
def undo(request: HttpRequest, review_id: UUID) -> HttpResponse:
    again = verdicts.undo(review_id=review_id, by=actor_of(request))
    return redirect("review", again.pk)


@require_POST
def extend(request: HttpRequest, review_id: UUID, claim_token: UUID) -> JsonResponse:
    """A sign of life from an open desk."""
    extended = claims.extend(review_id=review_id, claim_token=claim_token, by=actor_of(request))
    return JsonResponse({"expires_at": extended.claim_until, "now": timezone.now()})


@require_POST
def draft(request: HttpRequest, review_id: UUID) -> HttpResponse:
    verdicts.save_draft(review_id=review_id, note=_note(request), by=actor_of(request))
    return HttpResponse(status=204)


def _explanation(request: HttpRequest, shown: Desk) -> HttpResponse:
    """The fragment that a waiting desk asks for; nothing while the evidence is not to be seen."""
    if shown.evidence is None:
        return HttpResponse(status=204)
    return render(request, "review/explanation.html", {"shap": shown.evidence.shap, "review": shown.review})


def _is_first_of_two(verdict: Verdict, review: Review) -> bool:
    return (
        review.mode == Stream.Mode.COMMIT_THEN_REVEAL
        and verdict.stage == Verdict.Stage.FIRST
        and review.state == Review.State.OPEN
    )


def _amended(request: HttpRequest, review_id: UUID, refusal: PreconditionFailed) -> HttpResponse:
    review = desk.review_at_desk(actor_of(request), review_id)
    context = {
        "review": review,
        "stream": review.stream,
        "sentence": str(refusal),
        "changes": amendments.changes_since(review),
        "successor": amendments.successor_of(review),
        "queue_url": reverse("queue", args=[review.stream.slug]),
    }
    return render(request, "review/amended.html", context, status=412)


def _note(request: HttpRequest) -> str:
    """The note without NUL, which cannot be stored and must not cost the answer."""
    return request.POST.get("note", "").replace("\0", "")


def _claim_token(request: HttpRequest) -> UUID:
    try:
        return UUID(request.POST.get("claim_token", ""))
    except ValueError as error:
        raise Invalid("The form is incomplete: reload the page.", code="claim_token_missing") from error


def _generation(request: HttpRequest) -> int | None:
    given = request.POST.get("generation", "")
    return int(given) if given.isdecimal() and len(given) < 10 else None
