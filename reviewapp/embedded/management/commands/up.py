import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from reviewapp.embedded import launch
from reviewapp.embedded.console import Console
from reviewapp.embedded.paths import Unavailable


class Command(BaseCommand):
    help = "Runs everything in this terminal until Ctrl-C: database, broker, web, workers and sweeper."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (8000); 0 takes a free one")
        # manage.py has already put it where the settings find it.
        parser.add_argument("--data-dir", type=Path, help="where the embedded servers keep their files (.data)")
        parser.add_argument("--demo", action="store_true", help="fill it with the demo's streams, people and cases")

    def handle(self, *_: Any, host: str, port: int, demo: bool, **_options: Any) -> None:
        address = launch.Address(host, port)
        try:
            launch.up(settings.DATA_DIR, address, with_demo=demo, console=Console())
        except Unavailable as refusal:
            sys.exit(str(refusal))
