import re
import sys
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from tqdm import tqdm

from reviewapp import inference_client
from reviewapp.domain.errors import DomainError
from reviewapp.registry.actions import streams, training
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.management.commands.create_api_key import find_team
from reviewapp.registry.models import Stream

REFUSED = 2


class Command(BaseCommand):
    help = (
        "Trains a model on rows with known answers and registers it as the next version of a stream, which is opened "
        "when it does not exist. Ends with 2 and one sentence when the data has to be put right; nothing is stored "
        "then."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("data", type=Path, help="CSV, gzipped CSV or Parquet; rows are counted without the header")
        parser.add_argument("--target", required=True, help="column with the answers")
        parser.add_argument("--stream", required=True, help="slug of the stream")
        parser.add_argument("--team", default=streams.DEFAULT_TEAM, help="slug of the stream's team (default)")
        parser.add_argument("--time", default="", help="column with the time of each row: the newest rows validate")
        parser.add_argument("--id", default="", help="column with the id of each row, which must not come twice")
        parser.add_argument("--exclude", nargs="+", default=[], help="columns the model must not see")
        shape = parser.add_mutually_exclusive_group()
        shape.add_argument("--image", type=image_size, help="the columns are a picture of HxW points, row by row")
        shape.add_argument("--text", nargs="+", default=[], help="columns that are free text")
        parser.add_argument("--name", default="", help="name of the version (the stream's slug)")
        parser.add_argument("--owner", default="", help="who answers for the model")
        parser.add_argument("--licence", default="", help="licence of the model")
        parser.add_argument(
            "--out", type=Path, help="directory for bundle.zip and the model card (trained/ of the data)"
        )

    def handle(self, *_: Any, data: Path, team: str, out: Path | None, **options: Any) -> None:
        slug = options["stream"]
        try:
            owner = find_team(team)
            if out is not None:
                out.mkdir(parents=True, exist_ok=True)  # where it cannot be made, nobody should train first
            trained = _train(data, Stream.objects.filter(team=owner, slug=slug).first(), owner, options)
            self.stdout.write(inference_client.training_report(trained))
            found = training.register(team=owner, slug=slug, files=trained.files, by=SYSTEM, name=options["name"])
            version = found.version
            where = out or settings.DATA_DIR / "trained" / f"{slug}-v{version.number}"
            _write(where, trained, title=f"{version.name}, model {version.number} of {slug}")
        except OSError as error:
            self._refuse(f"{error.filename or data} cannot be read or written: {error.strerror or error}.")
        except (DomainError, inference_client.TrainingRefused) as refusal:
            self._refuse(str(refusal))
        role = "now the primary" if found.is_primary else "registered, not promoted"
        opened = f"Stream {slug} opened. " if found.is_new_stream else ""
        self.stdout.write(f"\n{opened}{slug} v{version.number} ({version.bundle}): {role}.")
        self.stdout.write(f"Bundle and model card: {where}")

    def _refuse(self, sentence: str) -> None:
        self.stderr.write(sentence)
        sys.exit(REFUSED)


def _train(data: Path, stream: Stream | None, team: Any, options: dict[str, Any]) -> Any:
    if stream is None:
        training.check_new_stream(team=team, slug=options["stream"])
    with tqdm(total=inference_client.training_steps(), disable=None, bar_format="{desc:<40}|{bar}| {elapsed}") as bar:

        def say(step: str) -> None:
            bar.set_description_str(step)
            bar.update()

        return inference_client.train(
            data,
            say=say,
            target=options["target"],
            name=options["name"] or options["stream"],
            time=options["time"],
            id=options["id"],
            exclude=tuple(options["exclude"]),
            image=options["image"],
            text=tuple(options["text"]),
            classes=tuple(stream.classes) if stream else (),
            contract=training.contract_for_training(stream) if stream else {},
            owner=options["owner"],
            licence=options["licence"],
        )


def _write(where: Path, trained: Any, *, title: str) -> None:
    where.mkdir(parents=True, exist_ok=True)
    inference_client.write_bundle(trained.files, where / "bundle.zip")
    card = inference_client.model_card(
        trained.manifest.to_json(), title=title, digest=inference_client.digest(trained.files)
    )
    (where / "model-card.html").write_text(card, encoding="utf-8")


def image_size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,4})[xX×](\d{1,4})", text)
    if found is None or not int(found[1]) or not int(found[2]):
        raise ArgumentTypeError(f"“{text}” is no size of a picture; write height and width as 28x28.")
    return int(found[1]), int(found[2])
