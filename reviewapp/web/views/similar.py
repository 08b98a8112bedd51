from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from reviewapp.cases.models import Case, Prediction
from reviewapp.cases.permissions import check_sees_model
from reviewapp.domain.errors import NotFound
from reviewapp.web.access import actor_of
from reviewapp.web.evidence import compared_columns, shap_of
from reviewapp.web.precedents import Choice, Subject, precedents_on
from reviewapp.web.queries import trace
from reviewapp.web.queries.displays import display_of, revisions_in_force


@require_safe
def similar(request: HttpRequest, case_id: UUID) -> HttpResponse:
    """The settled cases that are similar, out of those the reader chose; htmx asks for the panel alone."""
    actor = actor_of(request)
    case = trace.case_for(actor, case_id)
    check_sees_model(actor, case)
    subject = _subject(case)
    choice = Choice.read(request.GET.dict(), case)
    now = case.database_now  # type: ignore[attr-defined]  # the query annotates it
    panel = precedents_on(subject, choice=choice, now=now)
    template = "review/similar.html" if request.headers.get("HX-Request") else "case/similar.html"
    response = render(request, template, {"similar": panel, "case": case, "stream": case.stream})
    patch_vary_headers(response, ["HX-Request"])
    response["Cache-Control"] = "no-store"
    return response


def _subject(case: Case) -> Subject:
    prediction = (
        Prediction.objects.filter(case=case, generation=case.generation, route__isnull=False)
        .select_related("model_version__bundle", "policy_version")
        .order_by("-created_at", "-pk")
        .first()
    )
    if prediction is None:
        raise NotFound("No model has scored this case yet.")
    display = display_of(case.stream, revisions_in_force(case.stream))
    features = case.inputs.get(generation=case.generation).features
    shap = shap_of(prediction, features=features, display=display)
    return Subject(case, prediction, features, display, top=compared_columns(shap))
