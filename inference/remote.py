"""A model that another server runs, asked by the Open Inference Protocol v2 (Triton, KServe, MLServer).

The server is one that the operator has named, redirects are not followed, nothing is tried twice, and the whole
exchange has one deadline. Its answers are read as strictly as anybody's.
"""

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
import urllib3
from numpy.typing import NDArray

from inference.refusal import BundleRefused
from inference.remote_source import RemoteSource, origin_of
from inference.session import DEFAULT_TIMEOUT_S
from inference.watchdog import watchdog

PROVIDER = "remote"
MAX_ANSWER_BYTES = 64 * 1024 * 1024
_PIECE = 1 << 16
_TOO_LARGE = 1e39
_DATATYPES = {"f4": "FP32", "f8": "FP64", "i8": "INT64", "b1": "BOOL", "O": "BYTES"}
_NUMPY_TYPES = {"FP16": np.float32, "FP32": np.float32, "FP64": np.float64}


class RemoteUnavailable(RuntimeError):
    """The server cannot be reached, is not ready, or did not answer in time."""


class RemoteRefused(RuntimeError):
    """The server answered that it will not score these rows, or with something that is no answer to them."""


class Tensor(msgspec.Struct):
    """One output of an answer."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class Answer(msgspec.Struct):
    outputs: list[Tensor]


class RemoteSession:
    """Stands where a Session does: the same `run`, over HTTP."""

    provider = PROVIDER

    def __init__(self, source: RemoteSource, *, allowed: Sequence[str] = (), token: str = "") -> None:
        if source.origin not in {origin_of(url) for url in allowed}:
            raise BundleRefused(
                "remote_not_allowed",
                f"The bundle is served at {source.origin}, which is not among REMOTE_MODELS; have it added there.",
            )
        self.source = source
        self._headers = {"Content-Type": "application/json", "User-Agent": "reviewapp-inference/1"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._pid = os.getpid()
        self._pool = _pool(source)

    def run(
        self,
        feeds: Mapping[str, NDArray[Any]],
        *,
        outputs: Sequence[str],
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> list[NDArray[Any]]:
        """Have one batch scored; raises RemoteUnavailable or RemoteRefused."""
        if self._pid != os.getpid():
            # Two processes on one connection would read each other's answers.
            self._pid, self._pool = os.getpid(), _pool(self.source)
        body = msgspec.json.encode(
            {
                "inputs": [_tensor(name, values) for name, values in feeds.items()],
                "outputs": [{"name": name} for name in outputs],
            }
        )
        content = self._post(body, timeout_s=min(timeout_s, self.source.timeout_s))
        try:
            answer = msgspec.json.decode(content, type=Answer)
        except msgspec.DecodeError as error:
            raise RemoteRefused(f"The server's answer cannot be read ({str(error)[:200]}).") from error
        found = {tensor.name: tensor for tensor in answer.outputs}
        return [_array(found.get(name), name) for name in outputs]

    def warm_up(self, feeds: Mapping[str, NDArray[Any]], *, outputs: Sequence[str]) -> None:
        """The server's own business."""

    def _post(self, body: bytes, *, timeout_s: float) -> bytes:
        cut = _Cut(self._pool)
        try:
            with watchdog.watch(cut, timeout_s=timeout_s):
                response = self._pool.urlopen(
                    "POST",
                    f"{self.source.path}/infer",
                    body=body,
                    headers=self._headers,
                    retries=False,
                    redirect=False,
                    timeout=timeout_s,
                    preload_content=False,
                    decode_content=False,
                )
                content = _read(response)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            is_late = cut.terminate or isinstance(error, urllib3.exceptions.TimeoutError)
            why = f"no answer within {timeout_s:g} s" if is_late else f"{type(error).__name__}: {error}"[:200]
            raise RemoteUnavailable(f"{self.source.origin}: {why}.") from error
        if cut.terminate:
            raise RemoteUnavailable(f"{self.source.origin}: no answer within {timeout_s:g} s.")
        if response.status == 200:
            return content
        said = content[:200].decode(errors="replace")
        # These may be about the rows: MLServer says 500 when its model raises. All else the server says of itself.
        if response.status in {400, 422, 500}:
            raise RemoteRefused(f"{self.source.origin} answered {response.status}: {said}")
        raise RemoteUnavailable(f"{self.source.origin} answered {response.status}: {said}")


class _Pool(urllib3.HTTPConnectionPool):
    """Shows the connection it gave out last, so that a deadline can end it."""

    scheme = "http"
    given: Any = None

    def _get_conn(self, timeout: float | None = None) -> Any:
        self.given = super()._get_conn(timeout)
        return self.given


class _SecurePool(_Pool, urllib3.HTTPSConnectionPool):
    scheme = "https"


class _Cut:
    """What the watchdog ends: a read timeout alone is renewed by every byte."""

    def __init__(self, pool: _Pool) -> None:
        self._pool = pool
        self._is_over = False

    @property
    def terminate(self) -> bool:
        return self._is_over

    @terminate.setter
    def terminate(self, value: bool) -> None:
        self._is_over = value
        if (connected := getattr(self._pool.given, "sock", None)) is not None:
            with suppress(OSError):  # the server was faster
                connected.shutdown(socket.SHUT_RDWR)


def _pool(source: RemoteSource) -> _Pool:
    kind, (_, _, rest) = (_SecurePool if source.url.startswith("https:") else _Pool), source.origin.partition("://")
    host, _, port = rest.rpartition(":")
    return kind(host.strip("[]"), int(port), maxsize=1, block=False)


def _read(response: urllib3.BaseHTTPResponse) -> bytes:
    content = bytearray()
    while piece := response.read(_PIECE):
        content += piece
        if len(content) > MAX_ANSWER_BYTES:
            response.close()
            raise ValueError("the answer is larger than 64 MB")
    response.release_conn()
    return bytes(content)


def _tensor(name: str, values: NDArray[Any]) -> dict[str, Any]:
    sent = values.ravel()
    if values.dtype == np.float32:
        # JSON knows no infinity: what is too large for float32 here is too large there.
        sent = sent.astype(np.float64).clip(-_TOO_LARGE, _TOO_LARGE)
    # Nor does it know NaN: a missing number is null, which MLServer reads as one.
    return {
        "name": name,
        "shape": list(values.shape),
        "datatype": _DATATYPES["O" if values.dtype == object else values.dtype.str[1:]],
        "data": sent.tolist(),
    }


def _array(tensor: Tensor | None, name: str) -> NDArray[Any]:
    if tensor is None or tensor.datatype not in _NUMPY_TYPES:
        raise RemoteRefused(f"The server's answer has no output `{name}` of numbers.")
    try:
        values = np.array(tensor.data, dtype=_NUMPY_TYPES[tensor.datatype])
        return values.reshape(tensor.shape)
    except (TypeError, ValueError) as error:
        raise RemoteRefused(f"The server's output `{name}` does not have the shape it states.") from error
