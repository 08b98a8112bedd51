"""Circuits and kept results as metrics, each in its stream."""

from django.utils import timezone

from reviewapp.cases.models import CacheUse
from reviewapp.gating.models import Circuit
from reviewapp.monitoring import metrics
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream


def test_open_circuits_and_the_hit_share_are_exposed(stream: Stream) -> None:
    version = stream.model_versions.get()
    now = timezone.now()
    Circuit.objects.create(kind="model_version", subject=version.pk, failures=5, opened_at=now, probe_at=now)
    Circuit.objects.create(kind="accelerator", subject=version.pk, failures=2)
    CacheUse.objects.create(model_version=version, lookups=8, hits=6)

    metrics.snapshot()

    said = metrics.exposition(SYSTEM).decode()
    assert f'reviewapp_circuits_open{{kind="model_version",stream="{stream.slug}"}} 1.0' in said
    assert 'kind="accelerator"' not in said
    assert f'reviewapp_result_cache_hit_share{{kind="model_1",stream="{stream.slug}"}} 0.75' in said
    assert f'reviewapp_result_cache_lookups{{kind="model_1",stream="{stream.slug}"}} 8.0' in said
