import json
import logging
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from reviewapp import inference_client
from reviewapp.domain.errors import DomainError
from reviewapp.embedded.paths import Unavailable
from reviewapp.monitoring.trial import report, run, servers
from reviewapp.monitoring.trial.deployment import Deployment
from reviewapp.monitoring.trial.plan import Plan, Shift
from reviewapp.monitoring.trial.run import Trial

REFUSED = 2


class Command(BaseCommand):
    help = (
        "Lives a whole deployment on rows with known answers: a model trains on the early ones, the others arrive day "
        "by day, are scored, gated, read and audited, and the known answer is what people say. Nothing is decided "
        "alone at first; certificates earn it. It runs on servers of its own in a temporary directory, under a clock "
        "of its own, and leaves nothing behind. Ends with 2 and one sentence when the data has to be put right."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("data", type=Path, help="CSV, gzipped CSV or Parquet; rows are counted without the header")
        parser.add_argument("--target", required=True, help="column with the answers")
        parser.add_argument("--time", default="", help="column with the time of each row: the oldest rows train")
        parser.add_argument("--id", default="", help="column with the id of each row, which the model does not see")
        parser.add_argument("--exclude", nargs="+", default=[], help="columns the model must not see")
        parser.add_argument("--text", nargs="+", default=[], help="columns that are free text")
        parser.add_argument("--stream", default="trial", help="slug of the stream (trial)")
        parser.add_argument(
            "--promise", type=float, default=0.05, help="greatest share of wrong automatic decisions (0.05)"
        )
        parser.add_argument("--days", type=int, default=40, help="days in which the later rows arrive (40)")
        parser.add_argument("--early", type=float, default=0.4, help="share of the rows that train (0.4)")
        parser.add_argument("--cases", type=int, default=0, help="only so many rows arrive, the first ones (all)")
        parser.add_argument("--shift-day", type=int, default=0, help="day from which more is wrong (never)")
        parser.add_argument("--shift-factor", type=float, default=3.0, help="times as many errors from that day (3)")
        parser.add_argument("--seed", type=int, default=1, help="of the coins that choose the audits (1)")
        parser.add_argument("--json", dest="as_json", action="store_true", help="one JSON line per day, then one more")

    def handle(self, *_: Any, **options: Any) -> None:
        plan = _plan(options)
        try:
            plan.check()
            plan.data.open("rb").close()  # before any server starts
            if not servers.is_inside():
                sys.exit(servers.run_inside(_argv(), seed=options["seed"]))
            self._live(plan, as_json=options["as_json"])
        except OSError as error:
            self._refuse(f"{error.filename or plan.data} cannot be read or written: {error.strerror or error}.")
        except (DomainError, Unavailable, inference_client.TrainingRefused) as refusal:
            self._refuse(str(refusal))

    def _live(self, plan: Plan, *, as_json: bool) -> None:
        logging.getLogger("inference").setLevel(logging.WARNING)
        call_command("migrate", verbosity=0, interactive=False)

        def opened(deployment: Deployment) -> None:
            _say(f"Model {deployment.version.number} of {plan.stream} serves; {plan.days} days begin.")
            if not as_json:
                self.stdout.write(report.HEAD)

        def told(trial: Trial) -> None:
            if as_json:
                self.stdout.write(json.dumps(report.as_json(trial.days[-1]), ensure_ascii=False))
            else:
                self.stdout.write("\n".join(report.lines(trial)))
            self.stdout.flush()

        with tempfile.TemporaryDirectory(dir=settings.DATA_DIR) as scratch:
            trial = run.run(plan, scratch=Path(scratch), say=_say, opened=opened, told=told)
        summary = report.summary(trial)
        if as_json:
            self.stdout.write(json.dumps(summary, ensure_ascii=False))
        else:
            self.stdout.write("\n" + "\n".join(report.told(summary)))

    def _refuse(self, sentence: str) -> None:
        self.stderr.write(sentence)
        sys.exit(REFUSED)


def _plan(options: dict[str, Any]) -> Plan:
    day = options["shift_day"]
    names = ("target", "time", "id", "stream", "promise", "days", "early", "cases")
    return Plan(
        data=options["data"].absolute(),
        exclude=tuple(options["exclude"]),
        text=tuple(options["text"]),
        shift=Shift(day, options["shift_factor"]) if day else None,
        **{name: options[name] for name in names},
    )


def _argv() -> list[str]:
    """What this command was started with."""
    return sys.argv[1:]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
