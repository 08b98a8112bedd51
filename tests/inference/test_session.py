import os
import time

import numpy as np
import pytest
from onnx import TensorProto, helper

from inference import model, session
from inference.refusal import BundleRefused
from inference.session import CPU, CUDA, ProviderUnavailable, RunTimedOut, Session
from tests.inference import onnx_files


def endless_model() -> bytes:
    """A Loop that runs as good as for ever; only a session made past the checks can hold it."""
    scalar = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("keep_in", "keep_out")]
    step = helper.make_tensor_value_info("step", TensorProto.INT64, [])
    carried = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1]) for name in ("before", "after")]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["keep_in"], ["keep_out"]),
            helper.make_node("Add", ["before", "before"], ["after"]),
        ],
        "body",
        [step, scalar[0], carried[0]],
        [scalar[1], carried[1]],
    )
    return onnx_files.graph_of(
        [helper.make_node("Loop", ["times", "go_on", "x"], ["y"], body=body)],
        inputs=[helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1])],
        outputs=[helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])],
        initializers=[
            helper.make_tensor("times", TensorProto.INT64, [], [2**62]),
            helper.make_tensor("go_on", TensorProto.BOOL, [], [True]),
        ],
    ).SerializeToString()


def test_watchdog_stops_an_endless_model_and_spares_the_next_run():
    endless = Session(endless_model(), providers=[CPU])
    feeds = {"x": np.ones((1, 1), dtype=np.float32)}

    for _ in range(2):
        started = time.monotonic()
        with pytest.raises(RunTimedOut):
            endless.run(feeds, outputs=["y"], timeout_s=0.3)
        assert 0.25 < time.monotonic() - started < 5

    quick = Session(onnx_files.linear_model().SerializeToString(), providers=[CPU])
    (found,) = quick.run({"numbers": np.ones((1, 3), dtype=np.float32)}, outputs=["probabilities"], timeout_s=5)
    assert found.sum() == pytest.approx(1)


def test_watchdog_notices_a_deadline_earlier_than_the_one_it_sleeps_for():
    import threading

    endless = Session(endless_model(), providers=[CPU])
    feeds = {"x": np.ones((1, 1), dtype=np.float32)}
    ended: dict[float, float] = {}

    def run(timeout_s: float) -> None:
        started = time.monotonic()
        with pytest.raises(RunTimedOut):
            endless.run(feeds, outputs=["y"], timeout_s=timeout_s)
        ended[timeout_s] = time.monotonic() - started

    slow = threading.Thread(target=run, args=(1.5,))
    slow.start()
    time.sleep(0.1)
    run(0.2)
    slow.join()

    assert ended[0.2] < 1.2
    assert ended[1.5] >= 1.4


def test_cpu_is_chosen_where_there_is_no_cuda(monkeypatch):
    import onnxruntime

    session.available_provider.cache_clear()
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])

    assert session.available_provider() == CPU
    session.available_provider.cache_clear()


def test_cuda_that_is_listed_but_does_not_work_is_not_chosen(monkeypatch):
    import onnxruntime

    if CUDA in onnxruntime.get_available_providers():
        pytest.skip("this machine has a real CUDA provider")
    session.available_provider.cache_clear()
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])

    with pytest.warns(UserWarning, match=CUDA):
        assert session.available_provider() == CPU
    session.available_provider.cache_clear()


def test_provider_that_was_asked_for_but_is_not_there_is_an_error():
    import onnxruntime

    if CUDA in onnxruntime.get_available_providers():
        pytest.skip("this machine has a real CUDA provider")
    with pytest.warns(UserWarning, match=CUDA), pytest.raises(ProviderUnavailable):
        Session(onnx_files.linear_model().SerializeToString(), providers=[CUDA, CPU])


def test_session_says_its_provider_in_the_log(caplog):
    caplog.set_level("INFO", logger="inference.session")

    Session(onnx_files.linear_model().SerializeToString(), providers=[CPU], threads=2)

    assert f"provider={CPU} threads=2" in caplog.text


def reading_graph(location: str) -> bytes:
    """Gather over a tensor in another file: the one operator of several tried that a bare session lets through."""
    tensor = TensorProto(name="stolen", data_type=TensorProto.FLOAT, dims=[600], data_location=TensorProto.EXTERNAL)
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    return onnx_files.graph_of(
        [helper.make_node("Gather", ["stolen", "places"], ["probabilities"])],
        inputs=[onnx_files.value("places", 1, TensorProto.INT64)],
        outputs=[onnx_files.value("probabilities", 1)],
        initializers=[tensor],
    ).SerializeToString()


def test_file_in_the_current_directory_is_out_of_reach(tmp_path, monkeypatch):
    """Even a graph that no check has seen cannot read the process's own files."""
    (tmp_path / "secret").write_bytes(np.arange(600, dtype=np.float32).tobytes())
    monkeypatch.chdir(tmp_path)

    for location in ("secret", "./secret", str(tmp_path / "secret"), "../../secret"):
        with pytest.raises(BundleRefused) as refusal:
            Session(reading_graph(location), providers=[CPU])
        assert refusal.value.code == "model_unloadable"


def test_unloadable_graph_is_refused():
    with pytest.raises(BundleRefused) as refusal:
        Session(os.urandom(200), providers=[CPU])

    assert refusal.value.code == "model_unloadable"


def test_expected_digest_is_held_against_the_files():
    files = onnx_files.linear_bundle()

    with pytest.raises(BundleRefused) as refusal:
        model.load(files, expected_digest="0" * 64)

    assert refusal.value.code == "digest_mismatch"


def test_model_loads_from_a_directory(tmp_path):
    from inference import bundle

    files = onnx_files.linear_bundle()
    bundle.write_directory(files, tmp_path)

    loaded = model.load(tmp_path, expected_digest=bundle.digest(files))

    assert loaded.digest == bundle.digest(files)
    assert loaded.provider == loaded.session.provider
