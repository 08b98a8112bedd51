from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from reviewapp.cases.actions import recalls
from reviewapp.domain.errors import Conflict
from reviewapp.gating import wording
from reviewapp.gating.models import Breaker
from reviewapp.web.access import actor_of, stream_of
from reviewapp.web.errors import explain
from reviewapp.web.forms.policy_steps import ReasonForm
from reviewapp.web.queries import breakers as queries


@require_safe
def breakers(request: HttpRequest, slug: str) -> HttpResponse:
    """Every breaker of the stream, those that doubt or are open first."""
    stream = stream_of(request, slug)
    context = {"stream": stream, "section": "breakers", "breakers": queries.breakers_of(stream)}
    return render(request, "policy/breakers.html", context)


@require_safe
def breaker(request: HttpRequest, slug: str, breaker_id: int) -> HttpResponse:
    """One breaker: its evidence, what acted lately, and how it is armed again."""
    return _page(request, queries.found(stream_of(request, slug), breaker_id))


@require_POST
def ask(request: HttpRequest, slug: str, breaker_id: int) -> HttpResponse:
    """Ask to arm it again; a second person agrees or does not."""
    from reviewapp.cases.actions import rearming

    found = queries.found(stream_of(request, slug), breaker_id)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _page(request, found, ask_form=form)
    try:
        rearming.ask(breaker=found, reason=form.cleaned_data["reason"], by=actor_of(request))
    except Conflict as refusal:
        explain(form, refusal)
        return _page(request, found, ask_form=form)
    messages.success(request, "It is asked for; somebody else has to agree.")
    return redirect("breaker", slug, breaker_id)


@require_POST
def confirm(request: HttpRequest, slug: str, breaker_id: int) -> HttpResponse:
    from reviewapp.cases.actions import rearming

    found = queries.found(stream_of(request, slug), breaker_id)
    rearming.confirm(breaker=found, by=actor_of(request))
    watched = wording.watched(found.answer, found.segment)
    messages.success(request, f"The breaker of {watched} is armed; it may act from the next batch on.")
    return redirect("breaker", slug, breaker_id)


@require_POST
def refuse(request: HttpRequest, slug: str, breaker_id: int) -> HttpResponse:
    from reviewapp.cases.actions import rearming

    found = queries.found(stream_of(request, slug), breaker_id)
    rearming.refuse(breaker=found, reason=request.POST.get("reason", ""), by=actor_of(request))
    messages.warning(request, "The breaker stays open.")
    return redirect("breaker", slug, breaker_id)


@require_POST
def send_to_review(request: HttpRequest, slug: str, breaker_id: int) -> HttpResponse:
    """Have the class's recent automatic decisions looked at by people; what was not sent yet is held first."""
    found = queries.found(stream_of(request, slug), breaker_id)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _page(request, found, recall_form=form)
    try:
        recalls.start_class(breaker=found, reason=form.cleaned_data["reason"], by=actor_of(request))
    except Conflict as refusal:
        explain(form, refusal)
        return _page(request, found, recall_form=form)
    messages.success(request, "The decisions are on their way to people; deliveries are on hold until all are.")
    return redirect("breaker", slug, breaker_id)


def _page(request: HttpRequest, found: Breaker, **forms: ReasonForm) -> HttpResponse:
    context = {
        "stream": found.stream,
        "section": "breakers",
        "shown": queries.shown(found, actor_of(request)),
        "ask_form": ReasonForm(),
        "recall_form": ReasonForm(auto_id="id_recall_%s"),
        **forms,
    }
    return render(request, "policy/breaker.html", context, status=422 if forms else 200)
