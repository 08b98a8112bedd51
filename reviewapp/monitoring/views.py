"""For orchestrators: is the process alive, can it serve, how is the installation."""

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from reviewapp.monitoring.metrics import exposition
from reviewapp.registry.actors import Actor


@login_not_required
@require_safe
def livez(_request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


@login_not_required
@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """Ready when the database answers and is migrated. Not Redis: a broker's blip must not stop intake."""
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return JsonResponse({"status": "unavailable", "reason": "the database does not answer"}, status=503)
    if pending:
        return JsonResponse({"status": "unavailable", "reason": "migrations are pending"}, status=503)
    return JsonResponse({"status": "ok"})


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures the sweeper last wrote, in Prometheus' text format; behind sign-in."""
    return HttpResponse(exposition(Actor.for_user(request.user)), content_type=CONTENT_TYPE_LATEST)
