"""Things that must not be written anywhere, and why."""

import re

import pytest
from django.apps import apps

from tests.repo import files

# Celery carries wake-ups only: what waits is a row, what is retried is a row, and nobody asks for a result.
# Whatever unpickles a model runs code that came with it.
FORBIDDEN = {
    "countdown": r"\bcountdown\s*=",
    "eta": r"\beta\s*=",
    "retry": r"\.retry\(",
    "chord": r"\bchord\b",
    "result": r"\bAsyncResult\b",
    "pickle": r"\b(?:import|from)\s+(?:c?pickle|joblib|cloudpickle|dill|shelve)\b",
    "loads": r"\b(?:pickle|joblib|cloudpickle|dill)\.(?:load|loads|dump|dumps)\(",
    "torch": r"\btorch\.load\b",
    "numpy": r"allow_pickle\s*=\s*True",
    "yaml": r"\byaml\.(?:load|unsafe_load|full_load)\(",
    "eval": r"(?<![.\w])(?:eval|exec)\(",
    "save override": r"def save\(self",
    "signals": r"\b(?:pre|post)_(?:save|delete)\b",
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_no_source_uses(name: str) -> None:
    pattern = re.compile(FORBIDDEN[name], re.MULTILINE)

    found = [
        f"{files.name_of(path)}: {match.group()}"
        for path in files.source()
        for match in pattern.finditer(path.read_text(encoding="utf-8"))
    ]

    assert found == []


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("countdown", "task.apply_async(countdown=5)"),
        ("eta", "task.apply_async(eta=later)"),
        ("retry", "raise self.retry(exc=error)"),
        ("pickle", "import pickle"),
        ("loads", "joblib.load(path)"),
        ("numpy", "np.load(path, allow_pickle=True)"),
        ("eval", "value = eval(text)"),
    ],
)
def test_the_patterns_see_what_they_are_for(name: str, written: str) -> None:
    assert re.search(FORBIDDEN[name], written, re.MULTILINE)


def test_no_model_orders_its_rows_unasked() -> None:
    ours = [model for model in apps.get_models() if model.__module__.startswith("reviewapp.")]

    assert [model for model in ours if model._meta.ordering] == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-gpu.lock"])
def test_locked_packages_have_hashes_and_no_addresses(name: str) -> None:
    lock = (files.ROOT / name).read_text(encoding="utf-8")
    packages = re.split(r"\n(?=[a-zA-Z0-9])", re.sub(r"^#.*\n", "", lock, flags=re.MULTILINE).strip())

    assert re.findall(r"https?://|--index-url|--extra-index-url|--find-links|--trusted-host| @ ", lock) == []
    assert [package.split()[0] for package in packages if "--hash=sha256:" not in package] == []
    assert len(packages) > 50


# Assembled, so that this file does not hold what it looks for.
MACHINE = re.compile("/" + r"(?:work|root|home/[a-z]+)/(?:[a-z.])|" + "files." + "pythonhosted|/tmp/" + "brief")


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    text = {".py", ".md", ".html", ".toml", ".lock", ".yaml", ".yml", ".json", ".js", ".css", ".txt", ".example", ""}
    found = [
        f"{files.name_of(path)}: {match.group()}"
        for path in files.tracked()
        if path.suffix in text
        for match in MACHINE.finditer(path.read_text(encoding="utf-8", errors="ignore"))
    ]

    assert found == []
