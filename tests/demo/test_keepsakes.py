import stat
from pathlib import Path

from reviewapp.monitoring.demo.keepsakes import Keepsakes


def test_a_second_run_finds_the_same_password(tmp_path: Path) -> None:
    path = tmp_path / "data" / "demo.json"

    first = Keepsakes(path).password("reviewer")

    assert len(first) >= 12
    assert Keepsakes(path).password("reviewer") == first
    assert Keepsakes(path).password("lead") != first


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "data" / "demo.json"
    Keepsakes(path).password("reviewer")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [found.name for found in path.parent.iterdir()] == ["demo.json"]
