from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from reviewapp.cases import rule_preview
from reviewapp.domain.errors import Invalid
from reviewapp.web.access import actor_of, stream_of

DAYS = 30


@require_POST
def preview(request: HttpRequest, slug: str) -> HttpResponse:
    """What a rule that is being written would have done; a fragment. It comes as `when`, or as one row of the editor.

    A POST although it writes nothing: a condition may be longer than an address.
    """
    stream, actor = stream_of(request, slug), actor_of(request)
    number = request.POST.get("number", "")
    when = request.POST.get(f"rule_when_{number}" if number else "when", "")
    if not when.strip():
        return HttpResponse()
    try:
        found = rule_preview.preview(stream=stream, when=when, days=DAYS, actor=actor)
    except Invalid as refusal:
        return render(request, "policy/rule_preview.html", {"found": None, "refusal": str(refusal)})
    return render(request, "policy/rule_preview.html", {"found": found, "refusal": ""})
