from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from reviewapp.registry.models import ModelVersion, Stream
from reviewapp.web.access import stream_of
from reviewapp.web.forms.workshop import WorkshopForm
from reviewapp.web.queries import workshop as queries


@require_safe
def workshop(request: HttpRequest, slug: str) -> HttpResponse:
    """What a target error or a threshold would mean for a class; asked by its own form, only the figures change."""
    # Numbers by numpy: a process that never shows this page never loads it.
    from reviewapp.web.workshop import Workshop, asked_of

    stream = stream_of(request, slug)
    versions = queries.versions_with_role(stream)
    if not versions:
        return render(request, "policy/workshop.html", {"stream": stream, "section": "workshop", "shop": None})
    shop = Workshop(stream, _version(request, versions), _answer(request, stream))
    form = WorkshopForm(stream, versions, {**shop.defaults(), **request.GET.dict()})
    is_sound = form.is_valid()
    if not is_sound and request.headers.get("HX-Target") == "estimate":
        return render(request, "policy/workshop_form.html#errors", {"form": form}, status=422)
    asked = asked_of(form.cleaned_data if is_sound else _fallback(stream, versions, shop.defaults()))
    estimate = shop.estimate(asked)
    context = {
        "stream": stream,
        "section": "workshop",
        "shop": shop,
        "form": form,
        "asked": asked,
        "estimate": estimate,
        "exam": shop.proving_exam(estimate.threshold),
        "promise": shop.share_of_delta(asked.promise),
        "is_new_target": shop.is_new_target(asked),
    }
    if request.headers.get("HX-Target") == "estimate":
        return render(request, "policy/workshop_estimate.html", context)
    context["charts"] = shop.charts(asked.promise)
    part = "#shop" if request.headers.get("HX-Target") == "workshop" else ""
    return render(request, f"policy/workshop.html{part}", context, status=200 if is_sound else 422)


def _fallback(stream: Stream, versions: list[tuple[ModelVersion, str]], defaults: dict[str, str]) -> dict[str, object]:
    form = WorkshopForm(stream, versions, defaults)
    form.is_valid()
    return form.cleaned_data


def _version(request: HttpRequest, versions: list[tuple[ModelVersion, str]]) -> ModelVersion:
    number = request.GET.get("version")
    return next((version for version, _ in versions if str(version.number) == number), versions[0][0])


def _answer(request: HttpRequest, stream: Stream) -> str:
    answer = request.GET.get("answer")
    return answer if answer in stream.classes else stream.classes[0]
