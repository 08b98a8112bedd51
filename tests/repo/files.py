"""The files of the repository, as git knows them, and the ones that are ours to keep in shape."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@cache
def tracked() -> tuple[Path, ...]:
    """What is committed or about to be; without git (an unpacked release) everything that is not ignored by name."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        return tuple(path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file())
    ignored = {".venv", ".data", "__pycache__", "staticfiles"}
    return tuple(path for path in ROOT.rglob("*") if path.is_file() and not ignored & set(path.parts))


def named(pattern: str, *, under: str = "") -> list[Path]:
    return [path for path in tracked() if path.match(pattern) and path.is_relative_to(ROOT / under)]


def source() -> list[Path]:
    """Our Python, without tests, benches and migrations."""
    return [
        path
        for top in ("reviewapp", "inference")
        for path in named("*.py", under=top)
        if "migrations" not in path.parts
    ]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))
