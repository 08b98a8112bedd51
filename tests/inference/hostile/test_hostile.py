"""None of the hostile files is accepted, and none harms the process that asked for the check."""

import os
import resource
import threading
from pathlib import Path
from time import monotonic

import pytest

from inference import archive, bundle, conversion, gate_child, upload_gate
from inference.refusal import BundleRefused
from tests.inference import onnx_files
from tests.inference.exports import export
from tests.inference.hostile import corpus, fuzz

TIMEOUT_S = 6.0


def memory_of_this_process() -> int:
    """Kilobytes at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def children() -> set[str]:
    """The numbers of the processes that this one has, ended ones that nobody took note of among them."""
    own = Path(f"/proc/{os.getpid()}/task")
    return {number for task in own.iterdir() for number in (task / "children").read_text().split()}


def zipped(files: dict[str, bytes]) -> bytes:
    return bundle.write_zip(files)


@pytest.mark.parametrize("name", corpus.STATIC)
def test_what_can_be_seen_is_refused_before_it_runs(name: str) -> None:
    make, codes = corpus.STATIC[name]

    found = gate_child.check(zipped(onnx_files.linear_bundle(make())), classes=())

    assert (found["state"], found["code"] in codes) == ("refused", True), found


@pytest.mark.parametrize("name", corpus.STATIC)
def test_the_same_in_a_bare_model_is_refused(name: str) -> None:
    make, codes = corpus.STATIC[name]
    columns = [{"name": one, "dtype": "float"} for one in onnx_files.COLUMNS]
    bare = export("sklearn_forest").files(sample=False, classes=["no", "yes"], columns=columns)

    with pytest.raises(BundleRefused) as refusal:
        conversion.convert({**bare, "model.onnx": make().SerializeToString()})

    assert refusal.value.code in {*codes, "inputs"}


@pytest.mark.parametrize("name", corpus.AT_WORK)
def test_what_shows_only_at_work_ends_in_the_child(name: str) -> None:
    make, codes = corpus.AT_WORK[name]
    upload = zipped(onnx_files.linear_bundle(make()))
    before, started, threads = memory_of_this_process(), monotonic(), threading.active_count()
    others = children()

    found = upload_gate.examine(upload, timeout_s=TIMEOUT_S)

    assert (found["state"], found["code"] in codes) == ("refused", True), found
    assert monotonic() - started < TIMEOUT_S + 5
    assert memory_of_this_process() - before < 300_000
    assert threading.active_count() == threads
    assert children() <= others


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_graph_is_refused(share: float) -> None:
    files = onnx_files.linear_bundle()
    files["model.onnx"] = files["model.onnx"][: int(len(files["model.onnx"]) * share)]

    assert gate_child.check(zipped(files), classes=())["state"] == "refused"


@pytest.mark.parametrize("content", [b"", b"\x00" * 1000, b"PK\x03\x04", os.urandom(2000), b"\x80\x04]."])
def test_what_is_no_upload_at_all_is_refused(content: bytes) -> None:
    assert gate_child.check(content, classes=())["code"] == "zip_unreadable"


def test_a_bare_model_that_inflates_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 5_000_000)
    bomb = archive.pack({"model.onnx": bytes(50_000_000), "manifest.json": b"{}"})
    assert len(bomb) < 100_000

    assert gate_child.check(bomb, classes=())["code"] == "bundle_too_large"


@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_graphs_end_in_a_refusal_or_answer_as_before(seed: int) -> None:
    """Nothing that a flipped, cut, doubled or moved byte makes of a graph ends the process that reads it."""
    outcomes = fuzz.outcomes(seed=seed, count=40)

    assert outcomes.pop("refused") > 20
    assert set(outcomes) <= {"same"}, outcomes


def test_the_child_finds_no_file_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("SECRET_KEY=12345678")
    monkeypatch.chdir(tmp_path)

    found = upload_gate.examine(zipped(onnx_files.linear_bundle(corpus.outside_tensor())))

    assert found["code"] == "external_data"
    assert "12345678" not in str(found)
