"""A headless Chromium, the system's or Playwright's own."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def browser() -> Iterator[Any]:
    """A browser; the test is skipped where none can be had."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        system = next(filter(None, map(shutil.which, NAMES)), None)
        if system is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("no Chromium on this machine; `make test` installs one")
        started = playwright.chromium.launch(executable_path=system, args=list(QUIET))
        try:
            yield started
        finally:
            started.close()
