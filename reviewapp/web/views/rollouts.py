"""The steps of a rollout, each one click with a reason."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from reviewapp.cases.actions import recalls
from reviewapp.domain.errors import NotFound
from reviewapp.registry.actions import rollouts
from reviewapp.registry.actors import check_role
from reviewapp.registry.models import ModelVersion, Role, Stream
from reviewapp.web.access import actor_of, stream_of
from reviewapp.web.errors import attempt
from reviewapp.web.forms.rollouts import CanaryForm, ReasonForm, RollBackForm


@require_POST
def promote(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    said = f"Model {number} is the primary from the next batch on."
    return _step(request, slug, number, form=ReasonForm(request.POST), act=rollouts.promote, said=said)


@require_POST
def canary(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    said = f"Model {number} gets its share of the cases from the next batch on."
    return _step(request, slug, number, form=CanaryForm(request.POST), act=rollouts.start_canary, said=said)


@require_POST
def shadow(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    said = f"Model {number} sees every case from the next batch on, and decides none."
    return _step(request, slug, number, form=ReasonForm(request.POST), act=rollouts.start_shadow, said=said)


@require_POST
def stop_shadow(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    said = f"Model {number} is no shadow any more."
    return _step(request, slug, number, form=ReasonForm(request.POST), act=rollouts.stop_shadow, said=said)


@require_POST
def roll_back(request: HttpRequest, slug: str) -> HttpResponse:
    stream = _owned(request, slug)
    form = RollBackForm(request.POST)
    if attempt(form, recalls.roll_back, stream=stream, by=actor_of(request)):
        messages.success(request, "Rolled back: it holds from the next batch on.")
    else:
        _refuse(request, form)
    return redirect("models", slug)


@require_POST
def recall(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    said = "Its automatic decisions go back to people; deliveries are held until they have."
    return _step(request, slug, number, form=ReasonForm(request.POST), act=recalls.start, said=said)


def version_of(stream: Stream, number: int) -> ModelVersion:
    found = ModelVersion.objects.select_related("stream", "bundle").filter(stream=stream, number=number).first()
    if found is None:
        raise NotFound("There is no such model version.")
    return found


def _step(
    request: HttpRequest, slug: str, number: int, *, form: forms.Form, act: Callable[..., Any], said: str
) -> HttpResponse:
    version = version_of(_owned(request, slug), number)
    if attempt(form, act, version=version, by=actor_of(request)):
        messages.success(request, said)
    else:
        _refuse(request, form)
    return redirect("models", slug)


def _owned(request: HttpRequest, slug: str) -> Stream:
    stream = stream_of(request, slug)
    check_role(actor_of(request), stream, Role.MODEL_OWNER)
    return stream


def _refuse(request: HttpRequest, form: forms.Form) -> None:
    for field, faults in form.errors.items():
        label = f"{form.fields[field].label or field.capitalize()}: " if field in form.fields else ""
        for fault in faults:
            messages.error(request, f"{label}{fault}")
