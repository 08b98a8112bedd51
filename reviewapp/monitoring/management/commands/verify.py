import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from reviewapp.cases import verification


class Command(BaseCommand):
    help = (
        "Checks conservation: every case is where it should be, nothing is lost and nothing doubled. "
        "Ends with 1 when a check finds something."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")

    def handle(self, *_: Any, **options: Any) -> None:
        findings, states = verification.verify()
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(findings, states)))
        else:
            self._print(findings, states)
        if any(finding.count for finding in findings):
            sys.exit(1)

    def _print(self, findings: list[verification.Finding], states: dict[str, int]) -> None:
        for finding in findings:
            verdict = "gap" if finding.count else "ok"
            self.stdout.write(f"{verdict:3} {finding.count:>6}  {finding.check.name}: {finding.check.sentence}")
            if finding.examples:
                self.stdout.write(f"            {', '.join(finding.examples)}")
        counts = ", ".join(f"{number} {state}" for state, number in states.items())
        self.stdout.write(f"{sum(states.values())} cases: {counts}")


def _as_json(findings: list[verification.Finding], states: dict[str, int]) -> dict[str, Any]:
    return {
        "is_sound": not any(finding.count for finding in findings),
        "cases": states,
        "checks": [
            {
                "name": finding.check.name,
                "sentence": finding.check.sentence,
                "count": finding.count,
                "examples": list(finding.examples),
            }
            for finding in findings
        ],
    }
