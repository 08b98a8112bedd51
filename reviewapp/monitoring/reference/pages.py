"""The pages of docs/reference that are written from the code."""

from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path

from django.core.management import call_command

from reviewapp.monitoring.reference.variables import Variable, variables

SETTINGS_HEAD = """\
# Settings

Written by `make docs` from `reviewapp/settings.py`; change it there.

What an installation needs is read from environment variables. A value may also be put into a file: `NAME_FILE` names
it, and goes before `NAME`. What a stream or a policy decides is data, never a setting.

| variable | value | default | meaning |
|---|---|---|---|
"""
EXAMPLE_HEAD = """\
# Written by `make docs`. Nothing here is needed for `make up`: every value below is the default, or empty.
# A deployment sets what differs, in its own way or with `set -a; . ./.env; set +a`.
"""


def settings_page() -> str:
    return SETTINGS_HEAD + "".join(map(_row, variables()))


def example() -> str:
    return EXAMPLE_HEAD + "".join(f"\n# {one.sentence}\n#{one.name}={one.default}\n" for one in variables())


def _row(one: Variable) -> str:
    default = f"`{one.default}`" if one.default else "–"
    return f"| `{one.name}` | {one.kind} | {default} | {one.sentence} |\n"


def _command(name: str, **options: object) -> Callable[[], str]:
    def output() -> str:
        said = StringIO()
        call_command(name, stdout=said, **options)
        return said.getvalue()

    return output


PAGES: Mapping[str, Callable[[], str]] = {
    ".env.example": example,
    "docs/reference/settings.md": settings_page,
    "docs/reference/states.md": _command("state_diagram"),
    "docs/reference/openapi.yaml": _command("spectacular", validate=True, fail_on_warn=True),
}


def stale(root: Path) -> dict[Path, str]:
    """The pages that differ from what the code says now, with what they should say."""
    fresh = {root / name: page() for name, page in PAGES.items()}
    return {path: text for path, text in fresh.items() if _kept(path) != text}


def _kept(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
