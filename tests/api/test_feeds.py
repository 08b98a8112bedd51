"""The feeds of decisions and labels."""

import csv
import io
import json
import threading
from typing import Any

import pytest
from django.db import connection, transaction

from reviewapp.accounts.models import User
from reviewapp.cases.actions import labelling, verdicts
from reviewapp.cases.models import Case
from reviewapp.events.models import Event
from reviewapp.gating.actions import holds
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Stream
from tests.api.calling import Caller
from tests.factories import cases, reviews, streams
from tests.people import acting

pytestmark = pytest.mark.django_db(transaction=True)


def test_decisions_come_once_each_in_order(api: Caller, stream: Stream) -> None:
    sent = [cases.decided(stream).external_id for _ in range(3)]

    first = api.get(f"streams/{stream.slug}/decisions?limit=2").json()
    second = api.get(f"streams/{stream.slug}/decisions?limit=2&after={first['next']}").json()
    third = api.get(f"streams/{stream.slug}/decisions?limit=2&after={second['next']}").json()

    assert [item["external_id"] for item in first["items"] + second["items"]] == sent
    assert {(item["certificate_state"], item["certificate"]) for item in first["items"]} == {("uncertified", None)}
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert third["items"] == []
    assert third["next"] == second["next"]


def test_the_order_is_that_of_numbers_where_transaction_ids_grow_longer(api: Caller, stream: Stream) -> None:
    cases.decided(stream)
    columns = "type, subject, actor, payload, team_id, stream_id, case_id, sequence, traceparent, created_at"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO events_event (id, xid, {columns}) SELECT gen_random_uuid(), n::text::xid8, "
            f"{columns.replace('sequence', 'sequence + n')} FROM events_event, generate_series(8, 12) n "
            "WHERE type = 'decision.made'"
        )

    found, after = [], ""
    for _ in range(3):
        page = api.get(f"streams/{stream.slug}/decisions?limit=2{after}").json()
        found += [item["event"] for item in page["items"]]
        after = f"&after={page['next']}"

    numbers = {str(one.pk): int(one.xid) for one in Event.objects.filter(type="decision.made")}
    assert [numbers[event] for event in found] == sorted(numbers.values())


def test_an_answer_taken_back_is_told(api: Caller, stream: Stream, rosa: User) -> None:
    review = reviews.claimed(stream, rosa)
    reviews.answer(review, rosa, "damaged")
    verdicts.undo(review_id=review.pk, by=acting(rosa))

    items = api.get(f"streams/{stream.slug}/decisions").json()["items"]

    assert [(item["type"], item["class"]) for item in items] == [
        ("decision.made", "damaged"),
        ("decision.undone", None),
    ]
    assert items[1]["supersedes"] == items[0]["decision"]


def test_a_hold_on_deliveries_stops_decisions_until_it_is_lifted(api: Caller, stream: Stream) -> None:
    cases.decided(stream)
    hold = holds.place(stream=stream, scope="deliveries", reason="a drill", by=SYSTEM)

    held = api.get(f"streams/{stream.slug}/decisions").json()
    holds.lift(hold=hold, by=SYSTEM)
    after = api.get(f"streams/{stream.slug}/decisions?after={held['next']}").json()

    assert (held["items"], held["is_held"]) == ([], True)
    assert len(after["items"]) == 1


def test_a_slow_transaction_is_waited_for_and_never_skipped(api: Caller, stream: Stream) -> None:
    slow, fast = cases.decided(stream), cases.decided(stream)
    written, may_commit = threading.Event(), threading.Event()

    def write_slowly() -> None:
        try:
            with transaction.atomic():
                labelling.record_outcome(case_id=slow.pk, answer="damaged", by=SYSTEM)
                written.set()
                may_commit.wait(20)
        finally:
            connection.close()

    writer = threading.Thread(target=write_slowly)
    writer.start()
    assert written.wait(20)
    labelling.record_outcome(case_id=fast.pk, answer="intact", by=SYSTEM)

    before = api.get(f"streams/{stream.slug}/labels").json()
    may_commit.set()
    writer.join()
    after = api.get(f"streams/{stream.slug}/labels?after={before['next']}").json()

    assert before["items"] == []
    assert [item["case"] for item in after["items"]] == [str(slow.pk), str(fast.pk)]


def test_labels_as_lines_carry_the_cursor_in_a_header(api: Caller, stream: Stream) -> None:
    case = cases.decided(stream)
    api.post(f"cases/{case.pk}/outcome", {"class": "damaged"})

    response = api.get(f"streams/{stream.slug}/labels?format=jsonl")

    assert response["Content-Type"] == "application/x-ndjson"
    (item,) = [json.loads(line) for line in response.content.splitlines()]
    assert (item["case"], item["class"], item["predicted"]) == (str(case.pk), "damaged", "intact")
    following = api.get(f"streams/{stream.slug}/labels?format=jsonl&after={response['Next-Cursor']}")
    assert following.content == b""


def test_labels_that_train_are_told_from_those_that_certify(api: Caller, stream: Stream) -> None:
    halves = ["train", "certify", "train", "certify"]
    sent = {half: [] for half in halves}
    for half in halves:
        case = cases.decided(stream)
        Case.objects.filter(pk=case.pk).update(half_coin=0.1 if half == "train" else 0.9)
        labelling.record_outcome(case_id=case.pk, answer="damaged", by=SYSTEM)
        sent[half].append(str(case.pk))

    both = api.get(f"streams/{stream.slug}/labels").json()
    train = api.get(f"streams/{stream.slug}/labels?half=train").json()
    first = api.get(f"streams/{stream.slug}/labels?half=certify&limit=1").json()
    rest = api.get(f"streams/{stream.slug}/labels?half=certify&after={first['next']}").json()
    wrong = api.get(f"streams/{stream.slug}/labels?half=most")

    assert [item["half"] for item in both["items"]] == halves
    assert [item["case"] for item in train["items"]] == sent["train"]
    assert [item["case"] for item in first["items"] + rest["items"]] == sent["certify"]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert (wrong.status_code, "train, certify" in wrong.json()["detail"]) == (400, True)


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@a", "\tx", "\rx"])
def test_no_cell_of_a_table_is_run_by_a_spreadsheet(api: Caller, name: str) -> None:
    stream = streams.ready()
    case = cases.decided(stream, external_id=name)
    api.post(f"cases/{case.pk}/outcome", {"class": "intact"})

    response = api.get(f"streams/{stream.slug}/labels?format=csv")

    (row,) = csv.DictReader(io.StringIO(response.content.decode(), newline=""))
    assert row["external_id"] == f"'{name}"
    assert row["class"] == "intact"
    assert float(row["confidence"]) > 0.9
    assert row["is_honest"] == "false"
    assert "Next-Cursor" in response


def test_the_feed_of_one_stream_holds_nothing_of_another(api: Caller, stream: Stream) -> None:
    cases.decided(streams.ready())

    answer: Any = api.get(f"streams/{stream.slug}/decisions").json()

    assert answer["items"] == []
