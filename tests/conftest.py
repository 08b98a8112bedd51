"""Fixtures and guards of every test."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test.utils import override_settings
from whitenoise.middleware import WhiteNoiseMiddleware

from reviewapp.registry.models import Stream
from tests import guards
from tests.factories import streams

pytest_plugins = ["tests.people", "tests.demo.installation"]

guards.block_other_machines()
guards.shuffle_unordered_querysets()


def pytest_itemcollected(item: pytest.Item) -> None:
    """What several processes share out: whole modules, and the tests of the demo together."""
    uses_demo = "demo" in getattr(item, "fixturenames", ())
    item.add_marker(pytest.mark.xdist_group("demo" if uses_demo else item.nodeid.partition("::")[0]))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first: a process that ends early has nothing to share with."""
    items.sort(key=lambda item: not (item.get_closest_marker("e2e") or item.get_closest_marker("faults")))


@pytest.fixture(autouse=True, scope="session")
def _undefined_template_variables_fail() -> None:
    guards.fail_on_undefined_variables()


@pytest.fixture(autouse=True, scope="session")
def _passwords_are_cheap() -> Iterator[None]:
    """A slow hash is the point of a password and the bane of a test."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(autouse=True, scope="session")
def _static_files_are_found_once() -> Iterator[None]:
    """Every test client loads the middleware anew, and WhiteNoise would read every static file for each of them."""
    find, found = WhiteNoiseMiddleware.add_files_from_finders, {}

    def find_once(self: WhiteNoiseMiddleware) -> None:
        if not found:
            find(self)
            found.update(self.files)
        self.files |= found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", find_once)
        yield


@pytest.fixture
def stream(db: Any) -> Stream:
    """A stream that decides: the real bundle, a threshold of 0.9, nothing left to the coin."""
    return streams.ready()


@pytest.fixture
def bare_stream(db: Any) -> Stream:
    """A stream without model, contract and policy."""
    return streams.bare()
