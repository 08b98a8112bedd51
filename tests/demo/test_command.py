from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import Settings

from tests.embedded.conftest import free_port


def test_without_a_running_installation_one_sentence_says_so(db: Any, settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    url = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(SystemExit) as ended:
        call_command("demo", "--url", url)

    assert ended.value.code == (f"Nothing answers at {url}; start reviewapp with `make up`, or name it with --url.")
    assert list(tmp_path.iterdir()) == []
