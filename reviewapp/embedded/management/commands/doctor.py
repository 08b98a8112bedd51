import dataclasses
import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from reviewapp.embedded.checks import Finding, findings


class Command(BaseCommand):
    help = "Looks at everything an installation needs, a line each, and says what to do about the rest."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON list instead of lines")
        # manage.py has already put it where the settings find it.
        parser.add_argument("--data-dir", type=Path, help="where the embedded servers keep their files (.data)")

    def handle(self, *_: Any, **options: Any) -> None:
        found = []
        for finding in findings():
            found.append(finding)
            if not options["json"]:
                self.stdout.write(self._line(finding))
        if options["json"]:
            self.stdout.write(json.dumps([dataclasses.asdict(finding) for finding in found]))
        if any(finding.status == "fail" for finding in found):
            sys.exit(1)

    def _line(self, finding: Finding) -> str:
        styles = {"ok": self.style.SUCCESS, "warn": self.style.WARNING, "fail": self.style.ERROR}
        line = f"{styles[finding.status](f'{finding.status:<4}')}  {finding.check:<12} {finding.detail}"
        return f"{line}. {finding.remedy}" if finding.remedy else line
