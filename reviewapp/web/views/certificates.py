from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from reviewapp.domain.errors import Conflict, DomainError, Invalid, NotFound
from reviewapp.gating.models import Certificate
from reviewapp.registry.models import Role, Stream
from reviewapp.web.access import actor_of, stream_of
from reviewapp.web.errors import explain
from reviewapp.web.forms.history import HistoryForm
from reviewapp.web.queries import certificates as queries


@require_safe
def certificates(request: HttpRequest, slug: str) -> HttpResponse:
    """What is proven of each model version and class, and what was."""
    return _page(request, stream_of(request, slug))


@require_safe
def certificate(request: HttpRequest, slug: str, certificate_id: UUID) -> HttpResponse:
    """One certificate with the evidence behind it."""
    stream = stream_of(request, slug)
    found = Certificate.objects.filter(stream=stream, pk=certificate_id).select_related("model_version").first()
    if found is None:
        raise NotFound("There is no such certificate.")
    context = {"stream": stream, "section": "certificates", "shown": queries.shown(found)}
    return render(request, "policy/certificate.html", context)


@require_POST
def bring_history(request: HttpRequest, slug: str) -> HttpResponse:
    """Take a labelled history as a model's first exam, or to look at."""
    # It is counted with numpy: a process that takes none never loads it.
    from reviewapp.gating.actions import exams

    stream, actor = stream_of(request, slug), actor_of(request)
    form = HistoryForm(queries.examinable(stream), request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, stream, form=form)
    given = form.cleaned_data
    upload = exams.Upload(given["file"].read(), given["file"].name or "", given["drawn"], given["declaration"])
    try:
        made = exams.history_import(version=form.version, upload=upload, by=actor, begin_anew=given["begin_anew"])
    except (Invalid, Conflict) as refusal:
        _explain(form, refusal)
        return _page(request, stream, form=form)
    messages.success(request, exams.told(made))
    return redirect("certificates", slug)


def _explain(form: HistoryForm, refusal: DomainError) -> None:
    """What is wrong in the file is said with its line."""
    faults = refusal.details.get("errors", ())
    of_lines = [fault for fault in faults if fault["field"].startswith("line ")]
    for fault in of_lines:
        form.add_error("file", f"{fault['field'].capitalize()}: {fault['message']}")
    if not of_lines:
        explain(form, refusal)


def _page(request: HttpRequest, stream: Stream, *, form: HistoryForm | None = None) -> HttpResponse:
    context = {
        "stream": stream,
        "section": "certificates",
        "in_force": queries.in_force(stream),
        "ended": queries.ended(stream),
        "histories": queries.histories(stream),
        "may_bring": actor_of(request).has_role(stream, (Role.POLICY_OWNER, Role.MODEL_OWNER)),
        "form": form or HistoryForm(queries.examinable(stream)),
    }
    return render(request, "policy/certificates.html", context, status=422 if form else 200)
