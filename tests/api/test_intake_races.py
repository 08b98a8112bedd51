"""The same cases sent by many at once."""

import random
import threading
from collections import Counter
from typing import Any

import pytest
from django.db import connection

from reviewapp.cases.models import Case, Work
from reviewapp.events.models import Event
from tests.api.calling import Caller
from tests.factories import bundles, streams

pytestmark = pytest.mark.django_db(transaction=True)


def test_each_case_is_created_exactly_once(api_key: str) -> None:
    stream = streams.ready()
    bodies = [{"external_id": f"parcel-{number}", "features": bundles.UNCLEAR} for number in range(20)]
    outcomes: list[tuple[str, str, str]] = []
    barrier = threading.Barrier(6)

    def one_by_one(caller: Caller, mine: list[Any]) -> None:
        for body in mine:
            response = caller.post(f"streams/{stream.slug}/cases", body)
            outcome = {202: "created", 200: "replayed"}[response.status_code]
            outcomes.append((body["external_id"], response.json()["id"], outcome))

    def all_at_once(caller: Caller, mine: list[Any]) -> None:
        results = caller.post(f"streams/{stream.slug}/cases/bulk", mine).json()["results"]
        outcomes.extend((result["external_id"], result["id"], result["outcome"]) for result in results)

    def send(number: int) -> None:
        try:
            mine = random.Random(number).sample(bodies, len(bodies))
            barrier.wait(20)
            (all_at_once if number % 3 == 0 else one_by_one)(Caller(key=api_key), mine)
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(outcomes) == 6 * len(bodies)
    assert Counter(outcome for *_, outcome in outcomes) == {"created": 20, "replayed": 100}
    assert len({(name, case_id) for name, case_id, _ in outcomes}) == 20
    assert Case.objects.count() == Work.objects.count() == Event.objects.filter(type="case.received").count() == 20
