"""Cases on their way through the REST API, as an upstream system sends them."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import requests

SINGLES = 20
CHUNK = 100
TIMEOUT = 60
TRIES = 5

Row = dict[str, Any]


class Refused(Exception):
    """The demo cannot go on; str() is one sentence that names the remedy."""


class Upstream:
    """A client with its key."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"
        # What a shell says about proxies is not meant for a server on this machine.
        self._session.trust_env = False

    def check_ready(self) -> None:
        try:
            answer = self._session.get(f"{self._url}/readyz", timeout=TIMEOUT)
        except requests.RequestException as error:
            raise Refused(
                f"Nothing answers at {self._url}; start reviewapp with `make up`, or name it with --url."
            ) from error
        if answer.status_code != 200:
            raise Refused(f"{self._url} is not ready: {answer.text.strip()[:200]}")

    def send(self, stream: str, rows: Sequence[Row], *, sent: Callable[[int], Any]) -> None:
        """Every row once: the first ones singly, the others in bulk; known rows are answered as replays."""
        for row in rows[:SINGLES]:
            self._post(f"streams/{stream}/cases", row)
            sent(1)
        for chunk in _chunks(rows[SINGLES:]):
            answer = self._post(f"streams/{stream}/cases/bulk", chunk)
            for result in answer["results"]:
                if result["outcome"] not in {"created", "replayed"}:
                    raise Refused(f"{result['external_id']} was not accepted ({result['outcome']}): {result}")
            sent(len(chunk))

    def _post(self, path: str, body: Any) -> Any:
        for _ in range(TRIES):
            answer = self._session.post(f"{self._url}/api/v1/{path}", json=body, timeout=TIMEOUT)
            if answer.status_code not in {429, 503}:
                break
            time.sleep(float(answer.headers.get("Retry-After", 1)))
        if not answer.ok:
            raise Refused(f"{answer.status_code} from {path}: {answer.text[:300]}")
        return answer.json()


def _chunks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), CHUNK):
        yield rows[start : start + CHUNK]
