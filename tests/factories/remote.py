"""A small Open Inference Protocol server over ONNX Runtime that can be told to misbehave, and bundles it serves."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reviewapp.registry.models import ModelVersion, Stream

MODEL, VERSION = "parcels", "1"


def bundle(files: Mapping[str, bytes], url: str, **remote: Any) -> dict[str, bytes]:
    """The same bundle, its graph served at an address."""
    manifest = json.loads(files["bundle.json"])
    manifest["remote"] = {"url": url, "model": MODEL, "version": VERSION, **remote}
    return {**files, "model.onnx": b"", "bundle.json": json.dumps(manifest).encode()}


def version(stream: "Stream", server: "OipServer", name: str = "parcels") -> "ModelVersion":
    """The parcels' bundle, its graph on a server, registered in a stream; loaded, so that golden rows are behind it."""
    from reviewapp.cases.loading import loaded
    from reviewapp.registry.actions import versions
    from reviewapp.registry.actors import SYSTEM
    from tests.factories import bundles

    files = bundle(bundles.files(name), server.url, timeout_s=5)
    registered = versions.register_bundle(stream=stream, files=files, by=SYSTEM)
    loaded(registered.bundle)
    server.requests.clear()
    return registered


class OipServer(ThreadingHTTPServer):
    """Serves one graph; `mood` says how: well, slow, dripping, huge, broken, busy, refusing, lying, moved …"""

    daemon_threads = True
    block_on_close = False

    def __init__(self, graph: bytes) -> None:
        import onnxruntime

        super().__init__(("127.0.0.1", 0), _Handler)
        self.session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        self.mood = "well"
        self.requests: list[dict[str, Any]] = []
        self.tokens: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        import numpy as np

        types = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_, "BYTES": object}
        feeds = {
            one["name"]: np.array(one["data"], dtype=types[one["datatype"]]).reshape(one["shape"])
            for one in request["inputs"]
        }
        names = [one["name"] for one in request["outputs"]]
        found = self.session.run(names, feeds)
        return {
            "model_name": MODEL,
            "outputs": [
                {"name": name, "shape": list(values.shape), "datatype": "FP32", "data": values.ravel().tolist()}
                for name, values in zip(names, found, strict=True)
            ],
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: OipServer

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(request)
        self.server.tokens.append(self.headers.get("Authorization"))
        if self.path != f"/v2/models/{MODEL}/versions/{VERSION}/infer":
            self._send(404, b'{"error": "no such model"}')
            return
        getattr(self, self.server.mood)(request)

    def well(self, request: Mapping[str, Any]) -> None:
        self._send(200, json.dumps(self.server.answer(request)).encode())

    def slow(self, request: Mapping[str, Any]) -> None:
        time.sleep(1.0)
        self.well(request)

    def dripping(self, request: Mapping[str, Any]) -> None:
        body = json.dumps(self.server.answer(request)).encode()
        self._head(200, len(body))
        for byte in body:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(0.02)

    def broken(self, _request: Mapping[str, Any]) -> None:
        self._send(500, b"out of memory")

    def busy(self, _request: Mapping[str, Any]) -> None:
        self._send(503, b"try again later")

    def refusing(self, _request: Mapping[str, Any]) -> None:
        self._send(400, b'{"error": "unexpected shape"}')

    def moved(self, _request: Mapping[str, Any]) -> None:
        self.send_response(307)
        self.send_header("Location", f"{self.server.url}/v2/models/{MODEL}/versions/{VERSION}/infer")
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.mood = "well"

    def lying(self, request: Mapping[str, Any]) -> None:
        answer = self.server.answer(request)
        for output in answer["outputs"]:
            output["shape"] = [output["shape"][0] + 1, output["shape"][1]]
        self._send(200, json.dumps(answer).encode())

    def garbled(self, _request: Mapping[str, Any]) -> None:
        self._send(200, b'{"outputs": [{"name": 7}]}')

    def nameless(self, request: Mapping[str, Any]) -> None:
        answer = self.server.answer(request)
        answer["outputs"][0]["name"] = "label"
        self._send(200, json.dumps(answer).encode())

    def huge(self, _request: Mapping[str, Any]) -> None:
        self._head(200, 1 << 32)
        piece = b"0" * (1 << 20)
        for _ in range(80):
            self.wfile.write(piece)

    def _send(self, status: int, body: bytes) -> None:
        self._head(status, len(body))
        self.wfile.write(body)

    def _head(self, status: int, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:  # the client had enough
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Silent."""


@contextmanager
def served(graph: bytes) -> Iterator[OipServer]:
    """The server, answering from a thread until the block ends."""
    server = OipServer(graph)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
