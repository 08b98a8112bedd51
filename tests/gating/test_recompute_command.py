"""`recompute_certificate`: what the audit trail says, beside what is stored."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from reviewapp.gating.models import Certificate
from reviewapp.registry.models import ModelVersion
from tests.factories import bundles, evidence, streams
from tests.gating.test_certificates import look, promise

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(db: None) -> ModelVersion:
    version = bundles.external_primary(streams.bare())
    policy = promise(version.stream)
    look(version, policy)
    return version


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("recompute_certificate", *arguments, stdout=out)
    return out.getvalue()


def test_a_certificate_that_is_what_the_trail_says_is_confirmed(version: ModelVersion) -> None:
    assert "1 come to the same." in run("--stream", version.stream.slug)


def test_a_certificate_that_was_tampered_with_is_named(version: ModelVersion) -> None:
    Certificate.objects.update(threshold=0.7)

    with pytest.raises(CommandError, match="1 of 1 differ"):
        run()


def test_what_is_no_id_is_told_of() -> None:
    with pytest.raises(CommandError, match="invalid UUID value: 'first'"):
        run("first")


def test_an_unknown_certificate_is_told_of(version: ModelVersion) -> None:
    evidence.labels(version, right=1)

    with pytest.raises(CommandError, match="no such certificate"):
        run("--stream", "nowhere")
