"""Bundles that another server runs: what is sent, and everything such a server can do wrong."""

import json
import time
from collections.abc import Iterator

import numpy as np
import pytest
from onnx import numpy_helper

from inference import bundle, faults, model
from inference.predict import predict
from inference.refusal import BundleRefused
from inference.remote import RemoteRefused, RemoteUnavailable
from inference.remote_source import origin_of
from tests.factories import remote
from tests.factories.remote import OipServer
from tests.inference import onnx_files


@pytest.fixture(scope="module")
def local() -> dict[str, bytes]:
    return onnx_files.linear_bundle()


@pytest.fixture
def server(local: dict[str, bytes]) -> Iterator[OipServer]:
    with remote.served(local["model.onnx"]) as server:
        yield server


def loaded(local: dict[str, bytes], server: OipServer, *, token: str = "", **about: object) -> model.Model:
    serving = model.Serving(remote_origins=[server.url], remote_token=token)
    return model.load(remote.bundle(local, server.url, **about), serving=serving)


def test_a_remote_bundle_answers_what_the_graph_would(local: dict[str, bytes], server: OipServer) -> None:
    here, there = model.load(local), loaded(local, server)
    rows = onnx_files.random_rows(20)

    mine, its = predict(here, rows), predict(there, rows)

    assert its.provider == "remote"
    assert there.is_remote
    np.testing.assert_allclose(its.probabilities, mine.probabilities, atol=1e-6)
    np.testing.assert_array_equal(its.embedding, mine.embedding)
    np.testing.assert_array_equal(its.novelty, mine.novelty)


def test_the_token_is_sent(local: dict[str, bytes], server: OipServer) -> None:
    loaded(local, server, token="s3cret")

    assert set(server.tokens) == {"Bearer s3cret"}


def test_a_server_that_nobody_allowed_is_never_called(local: dict[str, bytes], server: OipServer) -> None:
    with pytest.raises(BundleRefused, match="REMOTE_MODELS"):
        model.load(remote.bundle(local, server.url))

    assert server.requests == []


def test_a_server_with_another_model_is_refused_by_the_golden_rows(local: dict[str, bytes]) -> None:
    other = onnx_files.linear_model()
    (weights,) = other.graph.initializer
    weights.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(weights), weights.name))
    with remote.served(other.SerializeToString()) as server, pytest.raises(BundleRefused) as refusal:
        loaded(local, server)

    assert refusal.value.code == "golden_mismatch"


@pytest.mark.parametrize("mood", ["busy", "moved", "huge"])
def test_a_server_in_trouble_is_unavailable(local: dict[str, bytes], server: OipServer, mood: str) -> None:
    there = loaded(local, server)
    server.mood = mood

    with pytest.raises(RemoteUnavailable):
        there.probabilities(_feeds(there))


@pytest.mark.parametrize("mood", ["broken", "refusing", "lying", "garbled", "nameless"])
def test_an_answer_that_does_not_fit_the_rows_is_refused(local: dict[str, bytes], server: OipServer, mood: str) -> None:
    there = loaded(local, server)
    server.mood = mood

    with pytest.raises(RemoteRefused):
        there.probabilities(_feeds(there))


@pytest.mark.parametrize("mood", ["slow", "dripping"])
def test_the_deadline_covers_the_whole_exchange(local: dict[str, bytes], server: OipServer, mood: str) -> None:
    there = loaded(local, server, timeout_s=0.3)
    server.mood = mood
    started = time.monotonic()

    with pytest.raises(RemoteUnavailable, match=r"no answer within 0\.3 s"):
        there.probabilities(_feeds(there))

    assert time.monotonic() - started < 0.9


def test_after_a_cut_exchange_the_next_one_has_a_connection_of_its_own(
    local: dict[str, bytes], server: OipServer
) -> None:
    there = loaded(local, server, timeout_s=0.3)
    expected = there.probabilities(_feeds(there))
    server.mood = "slow"
    with pytest.raises(RemoteUnavailable):
        there.probabilities(_feeds(there))
    server.mood = "well"

    np.testing.assert_array_equal(there.probabilities(_feeds(there)), expected)


def test_a_server_that_is_away_is_the_models_fault_and_a_refused_row_is_not(
    local: dict[str, bytes], server: OipServer
) -> None:
    there = loaded(local, server)

    assert faults.fault_of(there, RemoteUnavailable("away"), rows=[b"{}"]) == "model"
    assert faults.fault_of(there, RemoteRefused("unexpected shape"), rows=[b"{}"]) == "rows"
    server.mood = "refusing"
    assert faults.fault_of(there, RemoteRefused("unexpected shape"), rows=[b"{}"]) == "model"


def test_a_missing_number_is_sent_as_null(local: dict[str, bytes], server: OipServer) -> None:
    there = loaded(local, server)
    feeds = _feeds(there)
    name = next(iter(feeds))
    feeds[name][0, 0] = np.nan

    with pytest.raises((RemoteRefused, model.OutputInvalid)):  # this linear model makes no sense of it
        there.probabilities(feeds)

    assert server.requests[-1]["inputs"][0]["data"][0] is None


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"url": "ftp://host"}, "remote.url"),
        ({"url": "http://user:secret@host"}, "remote.url"),
        ({"url": "http://host/?a=b"}, "remote.url"),
        ({"url": "http://host:99999"}, "remote.url"),
        ({"model": "../admin"}, "remote.model"),
        ({"version": ""}, "remote.version"),
        ({"timeout_s": 0}, "remote.timeout_s"),
        ({"timeout_s": 60}, "remote.timeout_s"),
    ],
)
def test_a_remote_that_cannot_be_called_is_refused(
    local: dict[str, bytes], about: dict[str, object], said: str
) -> None:
    files = remote.bundle(local, "http://host:8000")
    manifest = json.loads(files["bundle.json"])
    manifest["remote"] |= about

    with pytest.raises(BundleRefused, match=said):
        bundle.check({**files, "bundle.json": json.dumps(manifest).encode()})


def test_a_remote_bundle_brings_no_graph(local: dict[str, bytes]) -> None:
    files = {**remote.bundle(local, "http://host:8000"), "model.onnx": local["model.onnx"]}

    with pytest.raises(BundleRefused, match=r"leave model\.onnx empty"):
        bundle.check(files)


def test_an_origin_names_its_port() -> None:
    assert origin_of("https://models.example/prefix") == "https://models.example:443"
    assert origin_of("http://[::1]:8000") == "http://[::1]:8000"


def _feeds(there: model.Model) -> dict[str, np.ndarray]:
    return {item.name: np.full((3, len(item.columns)), 0.5, dtype=np.float32) for item in there.manifest.inputs}
