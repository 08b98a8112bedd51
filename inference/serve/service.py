"""The protocol's paths: who may ask, what is told at once, and what goes to the scorer."""

import hmac
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from inference.serve import told
from inference.serve.answers import Found
from inference.serve.connection import Connection, Exchange
from inference.serve.options import Options
from inference.serve.refused import Refused
from inference.serve.scorer import Batch, Scorer
from inference.serve.served import Asked, ServedModel
from inference.session import RunTimedOut

logger = logging.getLogger(__name__)

SERVER, SERVER_VERSION = "reviewapp-inference", "1"

Page = Callable[[], tuple[int, Any]]


class Service:
    """Stands behind every connection of one server."""

    def __init__(self, model: ServedModel, scorer: Scorer, options: Options) -> None:
        self.connections: set[Connection] = set()
        self.is_stopping = False
        self.max_body_bytes = options.max_body_bytes
        self.answered: Counter[int] = Counter()
        self._model = model
        self._scorer = scorer
        self._options = options
        self._authorization = f"Bearer {options.token}".encode() if options.token else b""
        places = (f"/v2/models/{model.name}", f"/v2/models/{model.name}/versions/{model.version}")
        self._infer = frozenset(f"{place}/infer".encode() for place in places)
        # A load balancer has no token.
        self._open: dict[bytes, Page] = {b"/v2/health/live": self._live, b"/v2/health/ready": self._ready}
        self._pages: dict[bytes, Page] = {b"/v2": self._server, **self._open}
        for place in places:
            self._pages[place.encode()] = lambda: (200, model.metadata())
            self._pages[f"{place}/ready".encode()] = self._model_ready

    def has_room(self) -> bool:
        return len(self.connections) < self._options.max_connections

    def receive(self, exchange: Exchange) -> None:
        """Answer now, or once the rows are scored."""
        try:
            path = exchange.path.partition(b"?")[0]
            if self._authorization and path not in self._open:
                self._check_token(exchange)
            if path in self._infer:
                self._score(exchange)
            else:
                self._tell(exchange, path)
        except Refused as refused:
            self._refuse(exchange, refused)
        except Exception:  # one request must not take the connection's others with it
            logger.exception("serve.request_failed")
            self._refuse(exchange, Refused(500, "The server failed on this request; its log says why."))

    def _check_token(self, exchange: Exchange) -> None:
        if not hmac.compare_digest(exchange.headers.get(b"authorization", b""), self._authorization):
            raise Refused(
                401,
                "This server asks for its token; send it as `Authorization: Bearer …`.",
                headers=b"WWW-Authenticate: Bearer\r\n",
            )

    def _tell(self, exchange: Exchange, path: bytes) -> None:
        if path == b"/metrics":
            self._only(exchange, b"GET")
            exchange.answer(200, told.metrics(self, self._scorer), kind=told.METRICS_KIND)
            return
        page = self._pages.get(path)
        if page is None:
            place = f"/v2/models/{self._model.name}"
            raise Refused(404, f"There is nothing at {path.decode(errors='replace')[:200]}; the model is at {place}.")
        self._only(exchange, b"GET")
        status, content = page()
        self.answered[status] += 1
        exchange.answer(status, msgspec.json.encode(content))

    def _score(self, exchange: Exchange) -> None:
        self._only(exchange, b"POST")
        if exchange.headers.get(b"content-encoding", b"identity") != b"identity":
            raise Refused(415, "The body must not be compressed.")
        if b"inference-header-content-length" in exchange.headers:
            raise Refused(415, "This server reads tensors as JSON lists, not as the protocol's binary extension.")
        if self._scorer.waiting_rows >= self._options.max_waiting_rows:
            said = f"{self._scorer.waiting_rows} rows wait already; try again soon."
            raise Refused(503, said, headers=b"Retry-After: 1\r\n")
        asked = self._model.read(exchange.body)
        exchange.body = b""

        def answered(found: Found | Exception) -> None:
            self._answer(exchange, asked, found)

        self._scorer.submit(Batch(asked.feeds, asked.rows, asked.outputs, answered))

    def _answer(self, exchange: Exchange, asked: Asked, found: Found | Exception) -> None:
        if isinstance(found, RunTimedOut):
            self._refuse(exchange, Refused(503, str(found)))
        elif isinstance(found, Exception):
            self._refuse(exchange, Refused(500, f"The model failed on these rows: {str(found)[:200]}"))
        else:
            try:
                body = self._model.write(asked, found)
            except Exception:  # those who were scored with it still get their answers
                logger.exception("serve.answer_failed")
                self._refuse(exchange, Refused(500, "The answer cannot be written; the server's log says why."))
                return
            self.answered[200] += 1
            exchange.answer(200, body)

    def _refuse(self, exchange: Exchange, refused: Refused) -> None:
        self.answered[refused.status] += 1
        exchange.refuse(refused)

    def _only(self, exchange: Exchange, method: bytes) -> None:
        if exchange.method != method:
            raise Refused(405, f"This path is for {method.decode()}.", headers=b"Allow: %b\r\n" % method)

    def _server(self) -> tuple[int, Any]:
        return 200, {"name": SERVER, "version": SERVER_VERSION, "extensions": []}

    def _live(self) -> tuple[int, Any]:
        return 200, {"live": True}

    def _ready(self) -> tuple[int, Any]:
        return 503 if self.is_stopping else 200, {"ready": not self.is_stopping}

    def _model_ready(self) -> tuple[int, Any]:
        return 503 if self.is_stopping else 200, {"name": self._model.name, "ready": not self.is_stopping}
