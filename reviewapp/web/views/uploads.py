"""Models are uploaded here, and how far their checks are."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from reviewapp.cases.actions import checking
from reviewapp.domain.errors import Conflict, Invalid
from reviewapp.registry.actions import bundles, versions
from reviewapp.registry.actors import check_role
from reviewapp.registry.models import Bundle, Role, Stream
from reviewapp.web.access import actor_of, stream_of
from reviewapp.web.errors import explain
from reviewapp.web.forms.upload import ExternalForm, UploadForm
from reviewapp.web.queries import uploads as queries


@require_safe
def uploads(request: HttpRequest, slug: str) -> HttpResponse:
    """The form, and the newest uploads; htmx asks for the part that the models page shows."""
    return _page(request, stream_of(request, slug), UploadForm())


@require_POST
def upload(request: HttpRequest, slug: str) -> HttpResponse:
    stream, actor = stream_of(request, slug), actor_of(request)
    check_role(actor, stream, Role.MODEL_OWNER)
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, stream, form, status=422)
    try:
        files = bundles.files_of_parts(form.parts())
        version = checking.upload(stream=stream, files=files, by=actor, name=form.cleaned_data["name"])
    except (Invalid, Conflict) as refusal:
        explain(form, refusal)
        return _page(request, stream, form, status=422)
    bundle = version.bundle
    if bundle is not None and bundle.state == Bundle.State.CHECKING:
        messages.success(request, f"Model {version.number} is being checked.")
    else:
        messages.info(request, f"This is model {version.number}, which is here already.")
    return redirect("models", slug)


@require_POST
def external(request: HttpRequest, slug: str) -> HttpResponse:
    stream, actor = stream_of(request, slug), actor_of(request)
    check_role(actor, stream, Role.MODEL_OWNER)
    form = ExternalForm(request.POST)
    if not form.is_valid():
        return _page(request, stream, UploadForm(), external=form, status=422)
    try:
        version = versions.register_external(stream=stream, name=form.cleaned_data["external_name"], by=actor)
    except Invalid as refusal:
        explain(form, refusal)
        return _page(request, stream, UploadForm(), external=form, status=422)
    messages.success(request, f"{version.name} is model {version.number}; it serves once you roll it out.")
    return redirect("models", slug)


def _page(
    request: HttpRequest, stream: Stream, form: UploadForm, *, external: ExternalForm | None = None, status: int = 200
) -> HttpResponse:
    context = {
        "stream": stream,
        "form": form,
        "external_form": external or ExternalForm(),
        "checks": queries.checks_of(stream),
        "is_waiting": queries.is_waiting(stream),
        "may_upload": actor_of(request).has_role(stream, (Role.MODEL_OWNER,)),
    }
    is_part = request.headers.get("HX-Request") and request.method == "GET"
    response = render(
        request, "models/uploads.html#uploads" if is_part else "models/uploads.html", context, status=status
    )
    response["Vary"] = "HX-Request"
    return response
