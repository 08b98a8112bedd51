from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from reviewapp.registry.actions.policies import active_policy
from reviewapp.registry.policies import read_body
from reviewapp.web.access import stream_of


@require_safe
def harm(request: HttpRequest, slug: str) -> HttpResponse:
    """What automatic decisions did lately: by class and segment, per 1,000 arrivals, and in money."""
    # The bounds are worked out with numpy; a process that never shows them never loads it.
    from reviewapp.cases.harm import parity_of

    stream = stream_of(request, slug)
    active = active_policy(stream)
    policy = read_body(active.body if active else {})
    context = {
        "stream": stream,
        "section": "harm",
        "policy": policy,
        "parity": parity_of(stream, policy),
        "promises": {name: promise.target_error for name, promise in policy.promises.items()},
    }
    return render(request, "policy/harm.html", context)
