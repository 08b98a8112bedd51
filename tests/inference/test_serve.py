"""The scoring server: what it answers, against the model in this process, and whom it answers."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference import bundle, model
from inference.model import Model
from inference.predict import predict
from inference.refusal import BundleRefused
from inference.serve import command, places
from inference.training.demo import TrainedDemo
from tests.factories import remote
from tests.inference import onnx_files, served
from tests.inference.served import Server

TOKEN = "s3cret-of-the-server"
LIMITS = ("--max-rows", "100", "--max-body-bytes", "20000", "--max-connections", "40", "--request-timeout-s", "1")


@pytest.fixture(scope="module")
def files(tumours: TrainedDemo) -> dict[str, bytes]:
    """Trees, which take missing numbers; all columns but the first may be missing."""
    columns = json.loads(tumours.files["bundle.json"])["columns"]
    return onnx_files.with_json(
        tumours.files, columns=[{**column, "nullable": place > 0} for place, column in enumerate(columns)]
    )


@pytest.fixture(scope="module")
def server(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served.serving(files, tmp_path_factory.mktemp("serve")) as server:
        yield server


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With a token, small limits, and a model that makes no sense of infinite numbers."""
    files = onnx_files.linear_bundle()
    with served.serving(files, tmp_path_factory.mktemp("guarded"), *LIMITS, SERVE_TOKEN=TOKEN) as server:
        yield server


@pytest.fixture(scope="module")
def here(files: dict[str, bytes]) -> Model:
    return model.load(files)


@pytest.fixture(scope="module")
def there(files: dict[str, bytes], server: Server) -> Model:
    about = {"model": server.name, "version": server.version, "timeout_s": 20}
    return model.load(remote.bundle(files, server.url, **about), serving=model.Serving(remote_origins=[server.url]))


def asked(here: Model, rows: Any, *outputs: str) -> dict[str, Any]:
    """A request for rows of features, or of plain numbers."""
    (item,) = here.manifest.inputs
    values = here.decoder.feeds(rows)[item.name] if isinstance(rows[0], dict) else np.array(rows, dtype=object)
    one = {"name": item.name, "shape": list(values.shape), "datatype": "FP32", "data": values.ravel().tolist()}
    return {"inputs": [one], "outputs": [{"name": name} for name in outputs]}


def outputs(answer: dict[str, Any]) -> dict[str, list[Any]]:
    return {one["name"]: one["data"] for one in answer["outputs"]}


def test_a_remote_bundle_gets_the_very_result_of_the_local_model(
    here: Model, there: Model, tumours: TrainedDemo
) -> None:
    rows = [dict(row) for row in tumours.stream_rows[:60]]
    names = here.manifest.column_names
    rows[3][names[5]] = rows[3][names[9]] = None
    rows[4][names[0]], rows[5][names[1]] = 1e39, -1e39  # infinite as float32

    mine, its = predict(here, rows), predict(there, rows)

    assert its.provider == "remote"
    np.testing.assert_array_equal(its.probabilities, mine.probabilities)
    np.testing.assert_array_equal(its.embedding, mine.embedding)
    np.testing.assert_array_equal(its.novelty, mine.novelty)


def test_it_answers_what_a_worker_would_store(here: Model, server: Server, tumours: TrainedDemo) -> None:
    mine = predict(here, tumours.stream_rows[:20])

    status, answer = server.infer({**asked(here, tumours.stream_rows[:20]), "id": "a-1"})

    assert status == 200
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("a-1", server.name, here.digest)
    found = outputs(answer)
    assert list(found) == ["probabilities", "predicted", "confidence", "novelty"]
    np.testing.assert_allclose(np.reshape(found["probabilities"], (20, 2)), mine.probabilities, atol=1e-6)
    assert found["predicted"] == mine.predicted
    np.testing.assert_array_equal(found["confidence"], mine.confidence)
    np.testing.assert_allclose(found["novelty"], mine.novelty, atol=1e-6)


def test_many_rows_are_scored_beside_the_connections(here: Model, server: Server, tumours: TrainedDemo) -> None:
    rows = [tumours.stream_rows[place % 50] for place in range(4096)]
    expected = predict(here, rows, with_embedding=False)

    found: list[Any] = []
    senders = [
        threading.Thread(target=lambda: found.append(server.infer(asked(here, rows, "confidence")))) for _ in range(3)
    ]
    for sender in senders:
        sender.start()
    assert server.get("/v2/health/ready") == (200, {"ready": True})
    for sender in senders:
        sender.join()

    assert [status for status, _ in found] == [200, 200, 200]
    for _, answer in found:
        np.testing.assert_allclose(outputs(answer)["confidence"], expected.confidence, atol=1e-6)


def test_nested_lists_are_the_same_rows(here: Model, server: Server, tumours: TrainedDemo) -> None:
    flat = asked(here, tumours.stream_rows[:3], "probabilities")
    nested = json.loads(json.dumps(flat))
    nested["inputs"][0]["data"] = np.reshape(flat["inputs"][0]["data"], (3, -1)).tolist()

    assert server.infer(nested) == server.infer(flat)


def test_it_says_what_it_serves(here: Model, server: Server) -> None:
    assert server.get("/v2")[1]["name"] == "reviewapp-inference"
    assert server.get("/v2/health/live") == (200, {"live": True})
    for place in (f"/v2/models/{server.name}", f"/v2/models/{server.name}/versions/{here.digest}"):
        status, about = server.get(place)
        assert status == 200
        assert about["inputs"] == [{"name": "numbers", "datatype": "FP32", "shape": [-1, 30]}]
        assert about["outputs"][0] == {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}
        assert about["parameters"]["classes"] == list(here.manifest.classes)
        assert server.get(f"{place}/ready") == (200, {"name": server.name, "ready": True})


def test_it_counts_what_it_does(here: Model, server: Server, tumours: TrainedDemo) -> None:
    def rows() -> float:
        lines = server.get("/metrics")[1].splitlines()
        return float(next(line for line in lines if line.startswith("reviewapp_serve_rows_total")).split()[1])

    before = rows()
    server.infer(asked(here, tumours.stream_rows[:7]))

    assert rows() == before + 7


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"datatype": "FP64"}, "must have the datatype FP32"),
        ({"name": "other"}, r"`numbers` \(FP32 \[rows, 30\]\)"),
        ({"shape": [2, 30]}, "has 30 values; its shape needs 2 × 30"),
        ({"shape": [30]}, r"the shape \[rows, 30\]"),
        ({"shape": [0, 30]}, "one row or more"),
        ({"shape": [5000, 30]}, "5000 rows; send at most 4096"),
        ({"data": ["1.5"] * 30}, "must list numbers"),
        ({"data": [True] * 30}, "must list numbers"),
        ({"data": {}}, "must list numbers"),
        ({"data": [None] * 30}, "Column `radius_mean` is missing in row 0"),
    ],
)
def test_a_wrong_input_is_named(here: Model, server: Server, change: dict[str, Any], said: str) -> None:
    body = asked(here, [[1.0] * 30])
    body["inputs"][0] |= change

    status, answer = server.infer(body)

    assert status == (413 if "5000" in said else 400)
    with pytest.raises(ValueError, match=said):
        raise ValueError(answer["error"])


def test_what_is_no_request_of_the_protocol_is_refused(here: Model, server: Server) -> None:
    body = asked(here, [[1.0] * 30])

    assert server.infer(b"{")[0] == server.infer(b"\xff")[0] == server.infer([])[0] == 400
    assert server.infer(b"[" * 100_000)[0] == 400
    assert server.infer({})[0] == server.infer({"inputs": body["inputs"] * 2})[0] == 400
    assert "no output `logits`" in server.infer({**body, "outputs": [{"name": "logits"}]})[1]["error"]
    assert server.infer(body, **{"Content-Encoding": "gzip"})[0] == 415
    assert server.infer(body, **{"Inference-Header-Content-Length": "10"})[0] == 415
    assert server.get("/v2/models/another")[0] == server.get("/admin")[0] == 404
    assert server.get(f"/v2/models/{server.name}/versions/2")[0] == 404
    assert server.get(f"/v2/models/{server.name}/infer")[0] == server.get("/v2", method="POST")[0] == 405
    assert server.get("/v2", method="HEAD")[0] == 405


def test_without_the_token_only_health_is_told(guarded: Server) -> None:
    assert guarded.get("/v2/health/ready")[0] == 200
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
        assert guarded.get("/v2", **headers)[0] == guarded.get("/metrics", **headers)[0] == 401
        assert guarded.infer({}, **headers)[0] == 401
    assert guarded.get("/v2", Authorization=f"Bearer {TOKEN}")[0] == 200


def linear(*rows: list[float]) -> dict[str, Any]:
    data = [value for row in rows for value in row]
    one = {"name": "numbers", "shape": [len(rows), 3], "datatype": "FP32", "data": data}
    return {"inputs": [one], "outputs": [{"name": "probabilities"}]}


def authorised(request: bytes) -> bytes:
    return request.replace(b"Host: h\r\n", f"Host: h\r\nAuthorization: Bearer {TOKEN}\r\n".encode())


def test_a_row_that_breaks_the_model_fails_alone_and_answers_keep_their_order(guarded: Server) -> None:
    bodies = [linear([0.0, 0.0, 0.0]), linear([1e39, 1e39, 1e39]), linear([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])]
    with guarded.connect() as connected:
        connected.sendall(b"".join(authorised(guarded.request(body)) for body in bodies))

        (first, broken, last) = served.received(connected, 3)

    assert outputs(first[1])["probabilities"] == [0.5, 0.5]
    assert broken[0] == 500
    assert "not probabilities" in broken[1]["error"]
    assert (last[0], last[1]["outputs"][0]["shape"]) == (200, [2, 2])


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /v2 HTTP/1.1\r\nHost: h\r\nContent-Length: 20001\r\n\r\n", 413),
        (b"POST /v2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n7000\r\n" + b"x" * 0x7000, 413),
        (b"GET /v2 HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 40_000, 431),
        (b"GET /v2 HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", 401),
        (b"\x16\x03\x01 this is TLS", 400),
        (b"GET /v2 HTTP/1.1\r\nHost: h\r\n", 408),
    ],
    ids=["large", "chunks", "head", "upgrade", "tls", "slow"],
)
def test_what_goes_too_far_is_answered_and_cut(guarded: Server, request_: bytes, status: int) -> None:
    with guarded.connect() as connected:
        connected.sendall(request_)

        assert served.received(connected, 1)[0][0] == status
        assert connected.recv(1) == b""


def test_too_many_rows_and_connections_are_refused(guarded: Server) -> None:
    with guarded.connect() as connected:
        connected.sendall(authorised(guarded.request(linear(*[[0.0, 0.0, 0.0]] * 101))))
        assert "at most 100" in served.received(connected, 1)[0][1]["error"]
        others = [guarded.connect() for _ in range(45)]
        try:
            # Refused before anything was asked.
            assert served.received(others[-1], 1)[0][0] == 503
        finally:
            for other in others:
                other.close()
        connected.sendall(authorised(guarded.request(linear([0.0, 0.0, 0.0]))))
        assert served.received(connected, 1)[0][0] == 200


def test_a_stop_answers_what_was_asked_and_ends_well(tmp_path: Path) -> None:
    with served.serving(onnx_files.linear_bundle(), tmp_path, "--name", "the parcels!") as server:
        assert server.name == "the-parcels"
        with server.connect() as asking, server.connect() as idle:
            whole = server.request(linear([0.0, 0.0, 0.0]))
            asking.sendall(whole[:-10])
            assert server.get("/v2/health/live")[0] == 200  # the server has read that much
            server.process.terminate()
            assert idle.recv(1) == b""  # nothing was asked here
            with pytest.raises(ConnectionRefusedError):
                server.connect()
            asking.sendall(whole[-10:])

            assert served.received(asking, 1)[0][0] == 200
            assert server.process.wait(10) == 0


def test_what_cannot_be_served_is_one_sentence(tmp_path: Path, files: dict[str, bytes]) -> None:
    def refusal(*arguments: str | Path) -> str:
        done = subprocess.run(
            served.command(*arguments), cwd=served.ROOT, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 1, done.stderr
        return done.stderr.strip().splitlines()[-1]

    assert "No such file" in refusal(tmp_path / "absent.zip")
    assert refusal("absent.zip", "--max-rows", "0") == "--max-rows must be above 0; it is 0."


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    (tmp_path / "linear.zip").write_bytes(bundle.write_zip(onnx_files.linear_bundle()))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        assert command.main([str(tmp_path / "linear.zip"), "--port", port]) == 1


def test_a_bundle_that_points_at_the_server_is_made_of_the_served_one(
    here: Model, server: Server, files: dict[str, bytes], tmp_path: Path, tumours: TrainedDemo
) -> None:
    (tmp_path / "served.zip").write_bytes(bundle.write_zip(files))

    assert places.main([str(tmp_path / "served.zip"), server.url, str(tmp_path / "pointer.zip")]) == 0

    made = bundle.read_zip((tmp_path / "pointer.zip").read_bytes())
    there = model.load(made, serving=model.Serving(remote_origins=[server.url]))
    mine, its = (predict(one, tumours.stream_rows[:5]) for one in (here, there))
    np.testing.assert_array_equal(its.probabilities, mine.probabilities)
    with pytest.raises(BundleRefused, match="already"):
        places.pointer(made, server.url, timeout_s=2.0)
