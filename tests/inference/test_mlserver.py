"""A bundle served by a real MLServer answers as it does here. Skipped, and said so, where MLServer cannot be had."""

import json
import sys
from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from bench.anchors import mlserver
from inference import model
from inference.predict import predict
from inference.refusal import BundleRefused
from inference.remote import RemoteUnavailable
from inference.training.demo import TrainedDemo

# Building its environment for the first time fetches some thirty packages.
pytestmark = pytest.mark.timeout(420)


@pytest.fixture(scope="module")
def url(tumours: TrainedDemo) -> Iterator[str]:
    try:
        with mlserver.serving(tumours.files["model.onnx"]) as url:
            yield url
    except mlserver.NotInstalled as refusal:
        print(f"\nNOT TESTED AGAINST A REAL SERVER: {refusal}", file=sys.__stderr__)
        pytest.skip(f"NOT TESTED AGAINST A REAL SERVER: {refusal}")


def remote(files: Mapping[str, bytes], url: str, **about: object) -> dict[str, bytes]:
    manifest = json.loads(files["bundle.json"])
    where = {"url": url, "model": mlserver.MODEL, "version": mlserver.MODEL_VERSION, "timeout_s": 10}
    manifest["remote"] = {**where, **about}
    return {**files, "model.onnx": b"", "bundle.json": json.dumps(manifest).encode()}


def loaded(files: Mapping[str, bytes], url: str, **about: object) -> model.Model:
    return model.load(remote(files, url, **about), serving=model.Serving(remote_origins=[url]))


def test_probabilities_vectors_and_novelty_are_the_graphs(tumours: TrainedDemo, url: str) -> None:
    here, there = model.load(tumours.files), loaded(tumours.files, url)
    rows = tumours.stream_rows[:50]

    mine, its = predict(here, rows), predict(there, rows)

    assert its.provider == "remote"
    np.testing.assert_allclose(its.probabilities, mine.probabilities, atol=1e-6)
    np.testing.assert_array_equal(its.embedding, mine.embedding)
    np.testing.assert_array_equal(its.novelty, mine.novelty)


def test_a_missing_number_arrives_as_one(tumours: TrainedDemo, url: str) -> None:
    here, there = model.load(tumours.files), loaded(tumours.files, url)
    feeds = here.decoder.feeds(tumours.stream_rows[:2])
    for values in feeds.values():
        values[0, :5] = np.nan

    np.testing.assert_allclose(there.probabilities(feeds), here.probabilities(feeds), atol=1e-6)


def test_a_bundle_of_another_model_is_refused(digits: TrainedDemo, url: str) -> None:
    with pytest.raises(BundleRefused) as refusal:
        loaded(digits.files, url)

    assert refusal.value.code == "model_fails"


@pytest.mark.parametrize("about", [{"model": "another"}, {"version": "2"}])
def test_a_model_it_does_not_have_is_unavailable(tumours: TrainedDemo, url: str, about: dict[str, str]) -> None:
    with pytest.raises(RemoteUnavailable, match="answered 404"):
        loaded(tumours.files, url, **about)


def test_a_port_where_nobody_listens_is_unavailable(tumours: TrainedDemo) -> None:
    (port,) = mlserver.free_ports(1)

    with pytest.raises(RemoteUnavailable):
        loaded(tumours.files, f"http://127.0.0.1:{port}")
