import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from reviewapp import inference_client
from reviewapp.domain.errors import DomainError, NotFound
from reviewapp.registry.actions import streams, versions
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ModelVersion, Stream


class Command(BaseCommand):
    help = "Registers a model bundle, a zip or a directory, as a version of a stream."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="the bundle: one zip, or a directory of its files")
        parser.add_argument("--stream", required=True, help="slug of the stream")
        parser.add_argument("--team", default=streams.DEFAULT_TEAM, help="slug of the stream's team (default)")
        parser.add_argument("--name", default="", help="name of the version (the bundle's own)")
        parser.add_argument("--promote", action="store_true", help="make it the stream's primary at once")

    def handle(self, *_: Any, path: Path, promote: bool, **options: str) -> None:
        try:
            stream = find_stream(options["stream"], team=options["team"])
            version = register(stream, path, name=options["name"], promote=promote)
        except OSError as error:
            sys.exit(f"{path} cannot be read: {error.strerror or error}.")
        except (DomainError, inference_client.BundleRefused) as refusal:
            sys.exit(str(refusal))
        role = "now the primary" if promote else "registered, not promoted"
        self.stdout.write(f"{stream.slug} v{version.number} ({version.bundle}): {role}.")


def register(stream: Stream, path: Path, *, name: str, promote: bool) -> ModelVersion:
    """After a refusal nothing is registered and the running model goes on."""
    files = inference_client.read_bundle(path)
    version = versions.register_bundle(stream=stream, files=files, by=SYSTEM, name=name)
    if promote and versions.primary_of(stream) != version:
        versions.roll_out(primary=version, by=SYSTEM, reason="register_bundle --promote")
    return version


def find_stream(slug: str, *, team: str) -> Stream:
    found = Stream.objects.select_related("team").filter(team__slug=team, slug=slug).first()
    if found is None:
        raise NotFound(f"The team “{team}” has no stream “{slug}”.")
    return found
