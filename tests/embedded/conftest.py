import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reviewapp.embedded import paths


@pytest.fixture
def data() -> Iterator[Path]:
    """A data directory below one that only its owner may enter, as a private clone has it."""
    parent = Path(tempfile.mkdtemp(prefix="reviewapp-embedded-"))
    yield parent / "data"
    shutil.rmtree(paths.runtime_dir(parent / "data"), ignore_errors=True)
    shutil.rmtree(parent)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def port() -> int:
    return free_port()
