"""What a second run must find again: generated passwords and the API key, in one private file."""

import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Self

from django.conf import settings

FILE = "demo.json"


class Keepsakes:
    """Named secrets, kept in the data directory and readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    @classmethod
    def of_installation(cls) -> Self:
        return cls(settings.DATA_DIR / FILE)

    def get(self, name: str) -> str | None:
        return self._kept.get(name)

    def keep(self, name: str, value: str) -> str:
        """Written whole or not at all: a run that is cut short leaves the former file."""
        self._kept[name] = value
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(dir=self._path.parent, prefix=f".{FILE}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(self._kept, file, indent=1)
        Path(partial).replace(self._path)
        return value

    def password(self, name: str) -> str:
        """The password kept under this name; generated when there is none."""
        return self.get(name) or self.keep(name, secrets.token_urlsafe(12))
