import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from reviewapp import inference_client
from reviewapp.domain.errors import DomainError, Invalid, NotFound
from reviewapp.registry.actions import bundles, streams, versions
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ModelVersion, Stream


class Command(BaseCommand):
    help = (
        "Registers a model as a version of a stream, after the upload gate has checked it: a bundle, a model.onnx that "
        "others exported with a small manifest, or an MLflow model folder of the ONNX flavour."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="a bundle (zip or directory), a .onnx file, or an MLflow folder")
        parser.add_argument("--stream", required=True, help="slug of the stream")
        parser.add_argument("--team", default=streams.DEFAULT_TEAM, help="slug of the stream's team (default)")
        parser.add_argument("--name", default="", help="name of the version (the model's own)")
        parser.add_argument("--promote", action="store_true", help="make it the stream's primary at once")
        foreign = parser.add_argument_group("for a model that others exported")
        foreign.add_argument("--manifest", type=Path, help="its small manifest (the .json beside the .onnx)")
        foreign.add_argument("--sample", type=Path, help="rows of its columns, as .parquet, .csv or .json")
        foreign.add_argument("--classes", default="", help="its classes in order, divided by commas")
        foreign.add_argument("--output", default="", help="the output that holds the probabilities")
        foreign.add_argument("--activation", default="", help="softmax or sigmoid, where the output holds scores")

    def handle(self, *_: Any, path: Path, promote: bool, **options: Any) -> None:
        try:
            stream = find_stream(options["stream"], team=options["team"])
            files = read(path, **{name: options[name] for name in _FOREIGN})
            version = register(stream, files, name=options["name"], promote=promote)
        except OSError as error:
            sys.exit(f"{error.filename or path} cannot be read: {error.strerror or error}.")
        except (DomainError, inference_client.BundleRefused) as refusal:
            sys.exit(str(refusal))
        role = "now the primary" if promote else "registered, not promoted"
        self.stdout.write(f"{stream.slug} v{version.number} ({version.bundle}): {role}.")


_FOREIGN = ("manifest", "sample", "classes", "output", "activation")


def read(
    path: Path, *, manifest: Path | None, sample: Path | None, classes: str, output: str, activation: str
) -> dict[str, bytes]:
    """The files of what stands at a path. Raises BundleRefused, and OSError for what cannot be read."""
    if path.suffix == ".onnx" and path.is_file():
        files = inference_client.bare_model(path.read_bytes(), _manifest_beside(path, manifest))
    else:
        files = inference_client.read_upload(path)
    if inference_client.is_bundle(files):
        if manifest or sample or classes or output or activation:
            raise Invalid("This is a bundle: it says all of itself, so --manifest and its like have no place here.")
        return files
    if sample is not None:
        given = inference_client.bare_model(b"", b"", sample=sample.read_bytes(), sample_name=sample.name)
        files = {name: content for name, content in files.items() if not name.startswith("sample.")}
        files |= {name: content for name, content in given.items() if name.startswith("sample.")}
    return inference_client.declare(
        files,
        classes=[name.strip() for name in classes.split(",") if name.strip()],
        outputs={"probabilities": output} if output else {},
        activation=activation,
    )


def _manifest_beside(path: Path, given: Path | None) -> bytes:
    if given is not None:
        return given.read_bytes()
    beside = next((one for one in (path.with_suffix(".json"), path.with_name("manifest.json")) if one.is_file()), None)
    if beside is None:
        raise Invalid(
            f"{path.name} comes without a manifest; write {path.stem}.json beside it with `name`, `classes` and "
            "`columns`, or name one with --manifest.",
            code="manifest_missing",
        )
    return beside.read_bytes()


def register(stream: Stream, files: dict[str, bytes], *, name: str, promote: bool) -> ModelVersion:
    """After a refusal nothing is registered and the running model goes on."""
    version = bundles.register(stream=stream, files=files, by=SYSTEM, name=name)
    if promote and versions.primary_of(stream) != version:
        versions.roll_out(primary=version, by=SYSTEM, reason="register_bundle --promote")
    return version


def find_stream(slug: str, *, team: str) -> Stream:
    found = Stream.objects.select_related("team").filter(team__slug=team, slug=slug).first()
    if found is None:
        raise NotFound(f"The team “{team}” has no stream “{slug}”.")
    return found
