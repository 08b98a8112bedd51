"""The address that `up` serves, taken before anything starts and kept while the web process restarts."""

import errno
import socket
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException

from reviewapp.embedded.paths import Unavailable

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 compared, not bound
BACKLOG = 2048
HIGHEST = 65_535


class Listener:
    """A listening socket, handed to gunicorn by its number; port 0 takes a free one."""

    def __init__(self, host: str, port: int, *, patience: float = 0.0) -> None:
        self._socket = _listen(host, port, patience=patience)
        self.port: int = self._socket.getsockname()[1]
        self._host = EVERYWHERE.get(host, host)

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}/"

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def is_ready(self) -> bool:
        """Whether /readyz answers 200."""
        connection = HTTPConnection(self._host, self.port, timeout=1.0)
        with suppress(OSError, HTTPException):
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        connection.close()
        return False


def _listen(host: str, port: int, *, patience: float) -> socket.socket:
    """Tries for `patience` seconds: the workers of a killed `up` need a moment to let go of the port."""
    if not 0 <= port <= HIGHEST:
        raise Unavailable(f"Port {port} does not exist; choose one up to {HIGHEST} with --port.")
    deadline = time.monotonic() + patience
    while True:
        try:
            found = socket.getaddrinfo(host or None, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            family = found[0][0]
            return socket.create_server((host, port), family=family, backlog=BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            raise Unavailable(_refusal(host, port, error=error)) from error


def _refusal(host: str, port: int, *, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken by another program; choose another with --port."
    return f"reviewapp cannot listen on {host} port {port} ({error}); choose others with --host and --port."
