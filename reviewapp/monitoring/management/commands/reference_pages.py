import difflib
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from reviewapp.monitoring.reference import pages
from reviewapp.monitoring.reference.variables import Undescribed


class Command(BaseCommand):
    help = "Writes the pages of docs/reference that come from the code; --check only compares."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="change nothing, fail where a page is stale")

    def handle(self, *_: Any, check: bool, **_options: Any) -> None:
        root = Path(settings.BASE_DIR)
        try:
            stale = pages.stale(root)
        except Undescribed as refusal:
            sys.exit(str(refusal))
        for path, text in stale.items():
            if check:
                self.stdout.write(_difference(path, text, root))
            else:
                path.write_text(text, encoding="utf-8")
                self.stdout.write(f"{path.relative_to(root)} written")
        if stale and check:
            sys.exit("Generated pages differ from the code; run `make docs` and look at the change.")


def _difference(path: Path, text: str, root: Path) -> str:
    before = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    name = str(path.relative_to(root))
    return "\n".join(difflib.unified_diff(before, text.splitlines(), name, f"{name} (fresh)", lineterm="", n=1))
