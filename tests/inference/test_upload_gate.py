import resource

import numpy as np
import pytest
from onnx import TensorProto, helper

from inference import bundle, upload_gate
from tests.inference import onnx_files


def test_good_bundle_is_ready_with_its_budget():
    files = onnx_files.linear_bundle()

    found = upload_gate.examine(bundle.write_zip(files))

    assert found["state"] == "ready", found
    assert found["reason"] == ""
    assert found["digest"] == bundle.digest(files)
    assert found["run_budget"]["peak_rss"] > 20_000_000
    assert found["run_budget"]["seconds"] > 0


def test_refusal_comes_with_its_reason():
    found = upload_gate.examine(b"not a zip")

    assert found["state"] == "refused"
    assert found["code"] == "zip_unreadable"
    assert "zip" in found["reason"]


def greedy_bundle() -> dict[str, bytes]:
    """A bundle that passes every static check and then asks for 3.6 GB: an outer sum over a long constant."""
    length = 30_000
    nodes = [
        helper.make_node("Transpose", ["row"], ["column"]),
        helper.make_node("Add", ["row", "column"], ["square"]),
        helper.make_node("ReduceSum", ["square"], ["total"], keepdims=0),
        helper.make_node("MatMul", ["numbers", "weights"], ["scores"]),
        helper.make_node("Add", ["scores", "total"], ["shifted"]),
        helper.make_node("Softmax", ["shifted"], ["probabilities"], axis=1),
    ]
    model = onnx_files.graph_of(
        nodes,
        inputs=[onnx_files.value("numbers", 3)],
        outputs=[onnx_files.value("probabilities", 2)],
        initializers=[
            helper.make_tensor(
                "row", TensorProto.FLOAT, [1, length], np.zeros(length, dtype=np.float32).tobytes(), raw=True
            ),
            onnx_files.linear_model().graph.initializer[0],
        ],
    )
    return onnx_files.linear_bundle(model)


def test_memory_bomb_ends_in_the_child():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    found = upload_gate.examine(bundle.write_zip(greedy_bundle()), memory_bytes=2 * 1024**3)

    assert found["state"] == "refused"
    assert found["code"] in {"model_fails", "gate_memory"}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def test_too_little_memory_for_anything_is_a_refusal_not_a_crash_of_ours():
    found = upload_gate.examine(bundle.write_zip(onnx_files.linear_bundle()), memory_bytes=150 * 1024**2)

    assert found["state"] == "refused"
    assert found["code"] in {"gate_memory", "gate_crashed"}


def test_check_that_takes_too_long_is_stopped():
    found = upload_gate.examine(bundle.write_zip(onnx_files.linear_bundle()), timeout_s=0.01)

    assert found["code"] == "gate_timeout"


def test_child_sees_no_secret_of_the_parent(monkeypatch):
    monkeypatch.setenv("DJANGO_SECRET_KEY", "hidden")

    environment = upload_gate._environment("/nowhere")

    assert "hidden" not in environment.values()
    assert set(environment) == {
        "PATH",
        "PYTHONPATH",
        "PYTHONDONTWRITEBYTECODE",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "HOME",
        "TMPDIR",
    }


@pytest.mark.parametrize("file", bundle.FILES)
def test_each_file_truncated_is_refused(file):
    files = onnx_files.linear_bundle()
    files[file] = files[file][: len(files[file]) // 2]

    found = upload_gate._examine_here(bundle.write_zip(files))

    assert found["state"] == "refused"
    assert file in found["reason"]
