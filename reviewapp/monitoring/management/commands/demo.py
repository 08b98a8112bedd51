import json
import logging
import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import OperationalError

from reviewapp.monitoring.demo import report
from reviewapp.monitoring.demo.run import run
from reviewapp.monitoring.demo.sending import Refused


class Command(BaseCommand):
    help = "Fills a running installation with two streams, people and real cases; a second run changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", help="where reviewapp answers (PUBLIC_URL, or this machine at PORT)")
        parser.add_argument(
            "--json", dest="as_json", action="store_true", help="one JSON line on stdout, everything else on stderr"
        )

    def handle(self, *_: Any, url: str | None, as_json: bool, **_options: Any) -> None:
        # Its lines would run through the progress bars.
        logging.getLogger("inference").setLevel(logging.WARNING)
        address = (url or _default_url()).rstrip("/")
        try:
            done = run(address, say=_say)
        except Refused as refusal:
            sys.exit(str(refusal))
        except OperationalError as error:
            said = " ".join(str(error).split())
            sys.exit(f"The database does not answer ({said}); start reviewapp with `make up`.")
        summary = report.table(done.tallies)
        if as_json:
            _say(summary)
            content = report.as_json(address, done.people, done.key, tallies=done.tallies)
            self.stdout.write(json.dumps(content, ensure_ascii=False))
        else:
            self.stdout.write(f"\n{summary}\n\n{report.sign_in(address, done.people, done.key)}")


def _default_url() -> str:
    return settings.PUBLIC_URL or f"http://127.0.0.1:{os.environ.get('PORT') or 8000}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
