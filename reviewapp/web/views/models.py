from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from reviewapp.cases import comparing
from reviewapp.domain.errors import NotFound
from reviewapp.registry.models import ModelVersion, Role, Stream
from reviewapp.web.access import actor_of, stream_of
from reviewapp.web.forms.rollouts import RollBackForm
from reviewapp.web.forms.tiers import TierForm
from reviewapp.web.queries import comparisons, upkeep
from reviewapp.web.queries import models as queries
from reviewapp.web.queries import rollouts as serving


@require_safe
def models(request: HttpRequest, slug: str) -> HttpResponse:
    """The stream's model versions and which of them serve."""
    stream = stream_of(request, slug)
    versions = queries.versions_of(stream)
    context = {
        "stream": stream,
        "versions": [one for one in versions if one.may_serve],
        "refused": [one for one in versions if not one.may_serve],
        "rollouts": queries.rollouts_of(stream),
        "serving": serving.serving(stream),
        "recalls": serving.recalls_of(stream),
        "roll_back_form": RollBackForm(),
        "upkeep": upkeep.upkeep_of(stream),
        "tier_form": TierForm(stream=stream),
        "may_roll_out": actor_of(request).has_role(stream, (Role.MODEL_OWNER,)),
    }
    return render(request, "models/models.html", context)


@require_safe
def compare(request: HttpRequest, slug: str) -> HttpResponse:
    """Two versions side by side, over the newest cases that they scored."""
    stream = stream_of(request, slug)
    one, other = comparisons.chosen(stream, request.GET.get("one"), request.GET.get("other"))
    context = {
        "stream": stream,
        "versions": stream.model_versions.order_by("-number"),
        "one": one,
        "other": other,
        "found": comparisons.shown(stream, one, other) if one and other else None,
        "window": comparing.WINDOW,
    }
    return render(request, "models/compare.html", context)


@require_safe
def compared_cases(request: HttpRequest, slug: str, one: int, other: int) -> HttpResponse:
    """The cases behind a number of the comparison, the newest first."""
    stream = stream_of(request, slug)
    versions = (_version(stream, one), _version(stream, other))
    said_one, said_other = (_class(stream, request.GET.get(name)) for name in ("said_one", "said_other"))
    is_settled = request.GET.get("settled") == "1"
    found = comparing.cases_between(
        stream,
        *versions,
        said_one=said_one,
        said_other=said_other,
        is_settled=is_settled,
        by=actor_of(request),
        limit=comparisons.LISTED,
    )
    context = {
        "stream": stream,
        "one": versions[0],
        "other": versions[1],
        "said_one": said_one,
        "said_other": said_other,
        "is_settled": is_settled,
        "cases": found,
        "most": comparisons.LISTED,
    }
    return render(request, "models/compared_cases.html", context)


def _version(stream: Stream, number: int) -> ModelVersion:
    found = stream.model_versions.filter(number=number).first()
    if found is None:
        raise NotFound("There is no such model version.")
    return found


def _class(stream: Stream, given: str | None) -> str | None:
    return given if given in stream.classes else None
