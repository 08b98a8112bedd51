from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from reviewapp.domain.errors import NotFound
from reviewapp.registry.actions import versions
from reviewapp.registry.models import ModelVersion, Role
from reviewapp.web.access import actor_of, stream_of
from reviewapp.web.errors import attempt
from reviewapp.web.queries import models as queries


class RollOutForm(forms.Form):
    reason = forms.CharField(max_length=500, required=False)


@require_safe
def models(request: HttpRequest, slug: str) -> HttpResponse:
    """The stream's model versions and which of them serve."""
    stream = stream_of(request, slug)
    context = {
        "stream": stream,
        "versions": queries.versions_of(stream),
        "rollouts": queries.rollouts_of(stream),
        "may_roll_out": actor_of(request).has_role(stream, (Role.MODEL_OWNER,)),
    }
    return render(request, "models/models.html", context)


@require_POST
def roll_out(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    stream = stream_of(request, slug)
    found = ModelVersion.objects.select_related("stream", "bundle").filter(stream=stream, number=number).first()
    if found is None:
        raise NotFound("There is no such model version.")
    if attempt(RollOutForm(request.POST), versions.roll_out, primary=found, by=actor_of(request)):
        messages.success(request, f"Model {number} is the primary from the next batch on.")
    else:
        messages.error(request, f"Model {number} cannot serve: its bundle is not ready, or the reason is too long.")
    return redirect("models", slug)
