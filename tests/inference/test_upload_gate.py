import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inference import archive, bundle, confinement, gate_child, upload_gate
from tests.inference import onnx_files
from tests.inference.exports import export


def test_good_bundle_is_ready_with_its_budget():
    files = onnx_files.linear_bundle()

    found = upload_gate.examine(bundle.write_zip(files))

    assert found["state"] == "ready", found
    assert found["reason"] == ""
    assert found["digest"] == bundle.digest(files)
    assert found["run_budget"]["peak_rss"] > 20_000_000
    budget = found["run_budget"]
    assert budget["seconds"] > budget["load_seconds"] > 0
    assert budget["batch_seconds"] > 0 < budget["row_seconds"]
    assert found["isolation"] in {confinement.NAMESPACE, confinement.LANDLOCK, confinement.INTERPRETER}
    assert found["bundle"] == b""


def test_the_export_of_others_comes_back_as_a_bundle():
    given = export("sklearn_boosting_zipmap")

    found = upload_gate.examine(archive.pack(given.files()), classes=["setosa", "versicolor", "virginica"])

    assert found["state"] == "ready", found
    files = bundle.read_zip(found["bundle"])
    assert found["digest"] == bundle.digest(files)
    assert bundle.read_manifest(files).classes == ("setosa", "versicolor", "virginica")


def test_refusal_comes_with_its_reason():
    found = upload_gate.examine(b"not a zip")

    assert found["state"] == "refused"
    assert found["code"] == "zip_unreadable"
    assert "zip" in found["reason"]


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

    found = gate_child.check(bundle.write_zip(files), classes=())

    assert found["state"] == "refused"
    assert file in found["reason"]


def test_the_holder_of_the_work_is_heard_from_while_the_child_works(monkeypatch):
    monkeypatch.setattr(upload_gate, "_TICK_S", 0.1)
    beats = []

    found = upload_gate.examine(bundle.write_zip(onnx_files.linear_bundle()), heartbeat=lambda: beats.append(1))

    assert found["state"] == "ready"
    assert len(beats) >= 2


def test_what_the_child_has_started_ends_with_it(tmp_path):
    child = subprocess.Popen(
        ["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/pid; wait"],
        start_new_session=True,
    )
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.01)
    grandchild = int((tmp_path / "pid").read_text())

    assert upload_gate._wait(child, timeout_s=0.1, heartbeat=None) is False

    assert child.returncode is not None
    assert not is_alive(grandchild)


def is_alive(pid: int) -> bool:
    """Whether a process still runs; one that has ended and was not waited for does not."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
        except FileNotFoundError:
            return False
        time.sleep(0.02)
    return True


def confined(code: str, cwd: Path, *, without: str = "") -> str:
    """What a program says that has been confined first; `without` leaves out one of the means."""
    leave_out = f"confinement.{without} = lambda: False" if without else ""
    program = f"import sys\nfrom inference import confinement\n{leave_out}\nconfinement.cut_off()\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=cwd,
        env={"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    return done.stdout.strip()


def connect_by_the_c_library(port: int) -> str:
    """The error of a connection to this machine that goes around Python's own sockets; 0 is none."""
    return f"""
import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
opened = libc.socket(2, 1, 0)
address = struct.pack("<H", 2) + struct.pack(">H", {port}) + bytes([127, 0, 0, 1]) + bytes(8)
print(0 if libc.connect(opened, address, 16) == 0 else ctypes.get_errno())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces and Landlock are Linux's")
@pytest.mark.parametrize("without", ["", "_unshare", "_restrict"])
def test_the_child_reaches_nobody(without, tmp_path):
    how = confined("print(confinement.cut_off())", tmp_path, without=without)
    if how == confinement.INTERPRETER:
        pytest.skip(f"this system offers neither of the two without {without}")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        error = confined(connect_by_the_c_library(listening.getsockname()[1]), tmp_path, without=without)

    assert int(error) != 0


def test_python_itself_refuses_sockets_in_the_child(tmp_path):
    code = "import socket\ntry:\n    socket.socket()\nexcept PermissionError as error:\n    print(error)"

    assert "no network" in confined(code, tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")
def test_the_child_writes_nowhere_but_in_its_own_directory(tmp_path):
    (tmp_path / "own").mkdir()
    code = f"""
for place in ("inside", {str(tmp_path / "outside")!r}):
    try:
        open(place, "w").close()
    except PermissionError:
        print("refused", end=" ")
    else:
        print("written", end=" ")
print(confinement._restrict())
"""

    said = confined(code, tmp_path / "own")
    if said.endswith("False"):
        pytest.skip("this kernel does not offer Landlock")

    assert said == "written refused True"
