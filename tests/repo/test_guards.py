"""The guards of the tests themselves, and of what a process may load."""

import io
import json
import logging
import socket
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.core.management import call_command

from reviewapp import logging as our_logging
from reviewapp.cases.actions import work
from reviewapp.cases.models import Work
from reviewapp.monitoring.reference.pages import PAGES
from tests.guards import LeavesTheMachine
from tests.repo import files

HEAVY = (
    *("onnxruntime", "shap", "sklearn", "lightgbm", "onnx", "skl2onnx", "scipy.stats", "numba", "pandas", "torch"),
    "httptools",
)
LOAD_THE_WEB = """
import gc, json, sys
import reviewapp.wsgi
from django.urls import get_resolver

# What the web's processes share, because it is there before they part.
assert gc.get_freeze_count() > 100_000
assert "reviewapp.web.urls" in sys.modules

def visit(resolver):
    for entry in resolver.url_patterns:
        visit(entry) if hasattr(entry, "url_patterns") else entry.callback

visit(get_resolver())
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("8.8.8.8", 53), ("2001:db8::1", 80)])
def test_no_test_reaches_another_machine(address: tuple[str, int]) -> None:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as one, pytest.raises(LeavesTheMachine):
        one.connect(address)


def test_no_test_looks_up_a_name() -> None:
    with pytest.raises(LeavesTheMachine):
        socket.getaddrinfo("example.org", 443)


def test_a_web_process_loads_no_model_library() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD_THE_WEB], cwd=files.ROOT, capture_output=True, text=True, check=True
    )

    modules = json.loads(loaded.stdout.splitlines()[-1])
    assert "reviewapp.web.urls" in modules
    assert [name for name in modules if name.startswith(tuple(f"{heavy}." for heavy in HEAVY)) or name in HEAVY] == []


def test_no_migration_is_missing(db: None) -> None:
    said = io.StringIO()

    call_command("makemigrations", check=True, dry_run=True, stdout=said)

    assert "No changes detected" in said.getvalue()


def test_migrations_are_linear(db: None) -> None:
    assert [str(problem) for problem in run_checks() if (problem.id or "").startswith("dlm.")] == []
    for path in files.named("max_migration.txt", under="reviewapp"):
        assert (path.parent / f"{path.read_text().strip()}.py").is_file()


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_fresh(name: str) -> None:
    path = settings.BASE_DIR / name

    assert path.read_text(encoding="utf-8") == PAGES[name](), "run `make docs` and look at the change"


@pytest.mark.parametrize("json_lines", [True, False])
def test_a_logged_failure_shows_no_local_variables(json_lines: bool) -> None:
    """A stack frame may hold a case's features."""
    written = io.StringIO()
    our_logging.configure(json=json_lines, level="INFO")
    try:
        (handler,) = logging.getLogger().handlers[:1]
        logger = logging.getLogger("apart")
        copy = logging.StreamHandler(written)
        copy.setFormatter(handler.formatter)
        logger.addHandler(copy)
        logger.propagate = False
        features = {"secret-column": "secret-value"}
        try:
            raise RuntimeError("cannot score")
        except RuntimeError:
            logger.exception("scoring.failed")
    finally:
        logging.getLogger("apart").handlers.clear()
        our_logging.configure(json=False, level="INFO")

    assert features
    assert "RuntimeError" in written.getvalue()
    assert "secret" not in written.getvalue()


def test_querysets_without_an_order_come_in_any(db: None) -> None:
    work.add(kind="explain", subjects=[f"{number:02}" for number in range(20)])

    orders = {tuple(Work.objects.values_list("subject", flat=True)) for _ in range(5)}

    assert len(orders) > 1
    assert list(Work.objects.order_by("subject")) == sorted(Work.objects.all(), key=lambda row: row.subject)
