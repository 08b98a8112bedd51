"""The page of alerts."""

import pytest
from django.urls import reverse

from reviewapp.gating.models import Breaker, Certificate
from reviewapp.monitoring.models import Alert
from tests.factories import streams

pytestmark = pytest.mark.django_db


def test_an_alert_leads_to_the_page_on_which_something_is_done_about_it(lead, signed_in):
    stream = streams.ready()
    breaker = Breaker.objects.create(stream=stream, answer="intact", armed_at=stream.created_at)
    values = {"state": "certified", "threshold": 0.9, "target_error": 0.05, "confidence": 0.95}
    version = stream.model_versions.get()
    certificate = Certificate.objects.create(stream=stream, model_version=version, scope="intact", number=1, **values)
    places = {
        f"breaker:{breaker.pk}": reverse("breaker", args=[stream.slug, breaker.pk]),
        f"certificate:{certificate.pk}": reverse("certificate", args=[stream.slug, certificate.pk]),
        f"stream:{stream.pk}": reverse("policy_harm", args=[stream.slug]),
        "model_version:1": reverse("models", args=[stream.slug]),
    }
    for subject in places:
        Alert.objects.create(name="breaker-open", subject=subject, stream=stream, severity="page", summary="Look.")
    client = signed_in(lead)

    shown = client.get(reverse("alerts")).content.decode()

    assert all(f'href="{url}"' in shown for url in places.values())
