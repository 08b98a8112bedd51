"""The scoring server in a process of its own, and the least of a client that can also misbehave."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3

from inference import bundle
from reviewapp.embedded import tether

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Server:
    """One running server; `said` is the line with which it began."""

    process: "subprocess.Popen[bytes]"
    said: str

    @property
    def model_url(self) -> str:
        return next(word for word in self.said.split() if word.startswith("http"))

    @property
    def url(self) -> str:
        return self.model_url.partition("/v2/")[0]

    @property
    def name(self) -> str:
        return self.model_url.rpartition("/")[2]

    @property
    def version(self) -> str:
        return self.said.split()[3]

    def get(self, path: str, *, method: str = "GET", **headers: str) -> tuple[int, Any]:
        """Status and content."""
        return self._ask(method, self.url + path, headers=headers)

    def infer(self, body: Any, **headers: str) -> tuple[int, Any]:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._ask("POST", f"{self.model_url}/infer", body=content, headers=headers)

    def _ask(self, method: str, url: str, **about: Any) -> tuple[int, Any]:
        with urllib3.PoolManager(timeout=20) as pool:
            found = pool.request(method, url, retries=False, **about)
            is_json = found.headers["Content-Type"] == "application/json" and found.data
            return found.status, json.loads(found.data) if is_json else found.data.decode()

    def connect(self) -> socket.socket:
        place = urlsplit(self.url)
        return socket.create_connection((place.hostname, place.port), timeout=20)

    def request(self, body: Any) -> bytes:
        """The bytes of a request for scores."""
        content = json.dumps(body).encode()
        path = urlsplit(self.model_url).path
        return f"POST {path}/infer HTTP/1.1\r\nHost: h\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "inference.serve", *map(str, arguments)]


@contextmanager
def serving(files: Mapping[str, bytes], folder: Path, *options: str, **env: str) -> Iterator[Server]:
    """The server at a free port, until the block ends."""
    path = folder / "served.zip"
    path.write_bytes(bundle.write_zip(files))
    with (folder / "log").open("wb") as log:
        process = tether.spawn(
            command(path, "--port", "0", *options),
            env={**os.environ, "OMP_NUM_THREADS": "1", **env},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        try:
            assert process.stdout is not None
            said = process.stdout.readline().decode()
            assert said, (folder / "log").read_text()
            yield Server(process, said)
        finally:
            tether.stop(process, signals=((signal.SIGTERM, 15.0),))
            if process.stdout is not None:
                process.stdout.close()


def received(connected: socket.socket, answers: int) -> list[tuple[int, Any]]:
    """Status and content of so many answers on one connection, in the order in which they came."""
    found, content = [], b""
    while len(found) < answers:
        head, blank, rest = content.partition(b"\r\n\r\n")
        if blank:
            length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            if len(rest) >= length:
                found.append((int(head.split(b" ", 2)[1]), json.loads(rest[:length])))
                content = rest[length:]
                continue
        piece = connected.recv(1 << 16)
        assert piece, f"closed after {len(found)} answers: {content[:200]!r}"
        content += piece
    return found
