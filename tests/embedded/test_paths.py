import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from reviewapp.embedded import paths
from reviewapp.embedded.paths import Unavailable


def test_data_directory_is_the_given_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVIEWAPP_DATA_DIR", "some/where")

    assert paths.data_dir() == Path.cwd() / "some/where"


def test_data_directory_is_in_the_checkout_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVIEWAPP_DATA_DIR", "")

    assert paths.data_dir() == Path(paths.__file__).parents[2] / ".data"


def test_sockets_of_a_deep_data_directory_have_short_paths(data: Path) -> None:
    deep = data / ("x" * 200)

    assert len(str(paths.runtime_dir(deep) / ".s.PGSQL.5432.lock")) < 107
    assert len(str(paths.redis_socket(deep))) < 107


def test_a_link_and_its_target_share_the_sockets(data: Path) -> None:
    data.mkdir()
    link = data.parent / "link"
    link.symlink_to(data)

    assert paths.runtime_dir(link) == paths.runtime_dir(data)


def test_sockets_do_not_move_with_tmpdir(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = paths.runtime_dir(data)
    monkeypatch.setenv("TMPDIR", str(data.parent))

    assert paths.runtime_dir(data) == before


def test_socket_directory_is_private(data: Path) -> None:
    directory = paths.ensure_runtime_dir(data)

    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert paths.ensure_runtime_dir(data) == directory


def test_socket_directory_open_to_others_is_refused(data: Path) -> None:
    paths.ensure_runtime_dir(data).chmod(0o755)

    with pytest.raises(Unavailable, match="not private"):
        paths.ensure_runtime_dir(data)


def test_socket_directory_that_is_a_link_is_refused(data: Path) -> None:
    directory = paths.runtime_dir(data)
    directory.symlink_to(data.parent)

    try:
        with pytest.raises(Unavailable, match="not private"):
            paths.ensure_runtime_dir(data)
    finally:
        directory.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_socket_directory_of_another_user_is_refused(data: Path) -> None:
    os.chown(paths.ensure_runtime_dir(data), 12345, 12345)

    with pytest.raises(Unavailable, match="not private"):
        paths.ensure_runtime_dir(data)


def test_unwritable_data_directory_is_named_with_the_remedy(data: Path) -> None:
    data.write_text("a file")

    with pytest.raises(Unavailable, match=r"cannot be written .*--data-dir or REVIEWAPP_DATA_DIR\.$"):
        paths.ensure_data_dir(data)


def test_secret_is_private_and_stays(data: Path) -> None:
    first = paths.secret(data, "secret_key")

    assert len(first) == 64
    assert paths.secret(data, "secret_key") == first
    assert paths.secret(data, "another") != first
    assert stat.S_IMODE((data / "secret_key").stat().st_mode) == 0o600
    assert stat.S_IMODE(data.stat().st_mode) & 0o066 == 0


def test_processes_that_ask_at_once_get_one_secret(data: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        asked = pool.starmap(paths.secret, [(data, "secret_key")] * 16)

    assert len(set(asked)) == 1


def test_port_is_named_lest_pgport_replaces_it(data: Path) -> None:
    assert paths.postgres_conninfo(data) == {
        "HOST": str(paths.runtime_dir(data)),
        "PORT": "5432",
        "NAME": "reviewapp",
        "USER": "reviewapp",
    }
