import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connections

from reviewapp import inference_client
from reviewapp.domain.errors import DomainError, Invalid, NotFound
from reviewapp.registry.actions import versions
from reviewapp.registry.models import Bundle

MIN_DIGITS = 8


class Command(BaseCommand):
    help = (
        "Serves one bundle by the Open Inference Protocol v2 over HTTP until it is stopped, so that another machine, "
        "one with a GPU for instance, can score for an installation."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("bundle", help="a registered bundle's digest or its beginning, or a path: zip or directory")
        inference_client.add_serving_options(parser)

    def handle(self, *_: Any, bundle: str, **options: Any) -> None:
        try:
            path, digest = place(bundle)
            # Nothing is read any more, and a server may run for months.
            connections.close_all()
            inference_client.serve(path, Namespace(**options), expected_digest=digest)
        except (DomainError, inference_client.BundleRefused, OSError, ValueError) as refusal:
            sys.exit(str(refusal))


def place(given: str) -> tuple[Path, str | None]:
    """Where a bundle's files are on this machine, and the digest they must have. Raises NotFound and Invalid."""
    path = Path(given)
    if path.exists():
        return path, None
    if len(given) < MIN_DIGITS or not set(given) <= set("0123456789abcdef"):
        raise Invalid(
            f"There is no file {given}, and a digest has {MIN_DIGITS} to 64 digits of 0–9 and a–f; the models page "
            "shows a version's."
        )
    found = list(Bundle.objects.filter(digest__startswith=given, state=Bundle.State.READY).order_by("digest")[:2])
    if not found:
        raise NotFound(f"No registered bundle that may run has a digest beginning with {given}.")
    if len(found) > 1:
        raise Invalid(f"Several bundles have a digest beginning with {given}; give more of its digits.")
    return versions.local_copy(found[0]), found[0].digest
