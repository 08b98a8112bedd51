from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from reviewapp import inference_client
from reviewapp.domain.errors import NotFound
from reviewapp.web.access import stream_of


@require_safe
def model_card(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """A version's card to keep: a page of its own, which carries its style and so is not shown under ours."""
    stream = stream_of(request, slug)
    version = stream.model_versions.select_related("bundle").filter(number=number).first()
    if version is None or version.bundle is None or not version.bundle.manifest.get("columns"):
        raise NotFound("This model has no card: it runs upstream, or it is still being checked.")
    page = inference_client.model_card(
        version.bundle.manifest, title=f"{version.name}, model {number} of {stream.name}", digest=version.bundle.pk
    )
    headers = {"Content-Disposition": f'attachment; filename="{slug}-model-{number}.html"', "Cache-Control": "no-store"}
    return HttpResponse(page, content_type="text/html; charset=utf-8", headers=headers)
