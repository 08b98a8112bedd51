"""Fixtures of the tests on cases."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.factories import bundles, remote
from tests.factories.remote import OipServer


@pytest.fixture
def server(settings: Settings) -> Iterator[OipServer]:
    """A server that runs the parcels' graph, which the product may call."""
    with remote.served(bundles.files()["model.onnx"]) as server:
        settings.REMOTE_MODELS = [server.url]
        yield server
