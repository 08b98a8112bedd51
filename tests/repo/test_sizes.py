"""Files and functions that a reader can hold in mind; an exception needs a line of reason here."""

import ast
from pathlib import Path

from tests.repo import files

MAX_FILE, MAX_FUNCTION = 350, 50
MAX_TEST_FILE, MAX_TEST = 500, 60
MAX_TEMPLATE = 160

# name → why it may be longer
LONG_FILES = {"reviewapp/settings.py": "one file by rule; may reach 450"}
LONG_FUNCTIONS: dict[str, str] = {}


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def long_functions(path: Path, limit: int) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        f"{files.name_of(path)}:{node.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > limit
    ]


def test_no_source_file_is_longer_than_350_lines() -> None:
    long = {files.name_of(path): lines_of(path) for path in files.source() if lines_of(path) > MAX_FILE}

    assert {name: length for name, length in long.items() if name not in LONG_FILES} == {}
    assert all(length <= 450 for length in long.values())


def test_no_function_is_longer_than_50_lines() -> None:
    long = [name for path in files.source() for name in long_functions(path, MAX_FUNCTION)]

    assert sorted(long) == sorted(LONG_FUNCTIONS)


def test_no_test_is_longer_than_a_page() -> None:
    paths = files.named("*.py", under="tests")

    assert [files.name_of(path) for path in paths if lines_of(path) > MAX_TEST_FILE] == []
    assert [name for path in paths for name in long_functions(path, MAX_TEST)] == []


def test_no_template_is_longer_than_160_lines() -> None:
    paths = files.named("*.html", under="templates")

    assert [files.name_of(path) for path in paths if lines_of(path) > MAX_TEMPLATE] == []


def test_packages_hide_nothing_in_their_init() -> None:
    """Only a docstring; `models` gathers its names, because Django looks for them there."""
    statements = {
        files.name_of(path): [node for node in ast.parse(path.read_text(encoding="utf-8")).body if not _is_text(node)]
        for path in files.source()
        if path.name == "__init__.py" and path.parent.name != "models"
    }

    assert [name for name, found in statements.items() if found] == []


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
