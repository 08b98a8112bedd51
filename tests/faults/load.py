"""An upstream system under way: it sends cases without pause and repeats what was not confirmed."""

import itertools
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tests.factories import bundles

# Two of three are clear enough for the model to decide alone.
FEATURES = (bundles.CLEARLY_INTACT, bundles.UNCLEAR, bundles.CLEARLY_DAMAGED)
CHUNK = 20
PAUSES = {"single": 0.1, "bulk": 1.0}
PATIENCE = 90.0


@dataclass(frozen=True)
class Answer:
    """`status` is None when nobody answered."""

    status: int | None
    seconds: float


class Upstream:
    """Two senders, one of single cases and one in bulk, until the context is left; then nothing is unconfirmed."""

    def __init__(self, url: str, key: str, stream: str, *, name: str) -> None:
        self.accepted: set[str] = set()
        self.singles: list[Answer] = []
        self.bulks: list[Answer] = []
        self._cases = f"{url}api/v1/streams/{stream}/cases"
        self._key, self._name = key, name
        self._stop = threading.Event()
        self._errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._work, args=(self._single, PAUSES["single"])),
            threading.Thread(target=self._work, args=(self._bulk, PAUSES["bulk"])),
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert not self._errors, self._errors

    @property
    def answers(self) -> list[Answer]:
        return self.singles + self.bulks

    def _work(self, send: Callable[[int], None], pause: float) -> None:
        try:
            for number in itertools.count():
                send(number)
                if self._stop.wait(pause):
                    return
        except BaseException as error:  # noqa: BLE001 told to the test, which fails
            self._errors.append(error)

    def _single(self, number: int) -> None:
        case = self._case(f"single-{number}", number)
        self._until_confirmed(self._cases, case, self.singles)
        self.accepted.add(case["external_id"])

    def _bulk(self, number: int) -> None:
        rows = [self._case(f"bulk-{number}-{place}", place) for place in range(CHUNK)]
        answer = self._until_confirmed(f"{self._cases}/bulk", rows, self.bulks)
        outcomes = {row["external_id"]: row["outcome"] for row in answer["results"]}
        assert set(outcomes.values()) <= {"created", "replayed"}, outcomes
        self.accepted |= set(outcomes)

    def _case(self, name: str, number: int) -> dict[str, Any]:
        return {"external_id": f"{self._name}-{name}", "features": FEATURES[number % len(FEATURES)]}

    def _until_confirmed(self, url: str, body: Any, answers: list[Answer]) -> Any:
        end = time.monotonic() + PATIENCE
        while True:
            answer, content = self._post(url, body)
            answers.append(answer)
            if answer.status in {200, 202}:
                return content
            assert answer.status is None or answer.status >= 500, (answer, content)
            assert time.monotonic() < end, "nobody confirms"
            time.sleep(0.2)

    def _post(self, url: str, body: Any) -> tuple[Answer, Any]:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        request = Request(url, json.dumps(body).encode(), headers)
        begun = time.monotonic()
        try:
            with urlopen(request, timeout=30) as response:
                content = json.load(response)
                return Answer(response.status, time.monotonic() - begun), content
        except HTTPError as refusal:
            with refusal:
                return Answer(refusal.code, time.monotonic() - begun), refusal.read()[:500]
        except (URLError, OSError, ValueError):
            return Answer(None, time.monotonic() - begun), None
