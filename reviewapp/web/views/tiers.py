"""How the primary is asked: behind a first tier or at once, with its results kept or not."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest as Request
from django.http import HttpResponse as Response
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from reviewapp.registry.actions import tiers
from reviewapp.registry.actors import check_role
from reviewapp.registry.models import Role, Stream
from reviewapp.web.access import actor_of, stream_of
from reviewapp.web.errors import attempt
from reviewapp.web.forms.rollouts import ReasonForm
from reviewapp.web.forms.tiers import KeepResultsForm, TierForm


@require_POST
def start(request: Request, slug: str) -> Response:
    stream = _owned(request, slug)
    form = TierForm(request.POST, stream=stream)
    return _step(request, slug, form, tiers.start_tier, "The first tier is asked from the next batch on.")


@require_POST
def stop(request: Request, slug: str) -> Response:
    stream = _owned(request, slug)
    said = "The primary is asked for every case from the next batch on."
    return _step(request, slug, ReasonForm(request.POST), tiers.stop_tier, said, stream=stream)


@require_POST
def keep_results(request: Request, slug: str) -> Response:
    stream = _owned(request, slug)
    said = "It holds from the next batch on."
    return _step(request, slug, KeepResultsForm(request.POST), tiers.keep_results, said, stream=stream)


def _step(request: Request, slug: str, form: forms.Form, act: Any, said: str, **about: Any) -> Response:
    if attempt(form, act, by=actor_of(request), **about):
        messages.success(request, said)
    else:
        for faults in form.errors.values():
            for fault in faults:
                messages.error(request, str(fault))
    return redirect("models", slug)


def _owned(request: Request, slug: str) -> Stream:
    stream = stream_of(request, slug)
    check_role(actor_of(request), stream, Role.MODEL_OWNER)
    return stream
