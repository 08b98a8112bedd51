"""The stream of most tests is a repetition: it must be the one that the real actions make."""

import json
import re
from typing import Any

import pytest
from django.apps import apps
from django.db.models import BinaryField, DateTimeField, JSONField, Model

from reviewapp.cases.models import Case
from reviewapp.events.models import Event
from reviewapp.registry.models import Stream
from tests.factories import bundles, cases, policies, streams, teams

pytestmark = pytest.mark.django_db

ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
POLICY = {"audit_rate": 0.25, "never_automate": ["damaged"]}


def really(slug: str) -> Stream:
    stream = streams.bare(slug=slug)
    bundles.primary(stream)
    policies.active(stream, **POLICY)
    return stream


def everything() -> dict[str, list[dict[str, Any]]]:
    """Every row of the product, by table."""
    return {
        model._meta.db_table: [_content(row) for row in model._default_manager.order_by("pk")]
        for model in apps.get_models()
        if model.__module__.startswith("reviewapp.")
    }


def _content(row: Model) -> dict[str, Any]:
    content = {}
    for field in row._meta.concrete_fields:
        value = field.value_from_object(row)
        if isinstance(field, BinaryField):
            value = bytes(value).decode(errors="replace")
        elif isinstance(field, JSONField):
            value = json.dumps(value, sort_keys=True)
        elif isinstance(field, DateTimeField) or field.name in {"xid", "id"}:
            value = value is None
        content[field.name] = value
    return content


def added(before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]], *, stream: Stream) -> str:
    """What came into each table, without the ids and the slug, in which any two streams differ."""
    new = {table: rows[len(before[table]) :] for table, rows in after.items()}
    told = json.dumps(new, default=str, indent=1).replace(stream.slug, "SLUG").replace(stream.name, "NAME")
    numbers: dict[str, str] = {}
    return ID.sub(lambda found: numbers.setdefault(found[0], f"id {len(numbers)}"), told)


def test_a_repeated_stream_has_the_rows_of_a_real_one() -> None:
    streams.ready(policy=POLICY)  # the first is made
    bare = everything()

    real = really("parcels-by-hand")
    with_real = everything()
    repeated = streams.ready(policy=POLICY)
    with_both = everything()

    assert Stream.objects.count() == 3
    assert added(with_real, with_both, stream=repeated) == added(bare, with_real, stream=real)


def test_it_lives_at_the_time_of_its_test_and_in_the_order_of_its_steps() -> None:
    streams.ready()
    moment = Event.objects.order_by("created_at").last().created_at

    stream = streams.ready()

    events = Event.objects.filter(stream_id=str(stream.pk)).order_by("pk")
    assert [event.type for event in events] == [
        *("stream.created", "stream.revised", "model_version.registered"),
        *("rollout.promoted", "policy.drafted", "policy.activated"),
    ]
    assert all(event.created_at > moment for event in events)
    assert stream.created_at > moment


def test_another_team_and_a_given_slug_are_made_by_the_actions() -> None:
    other = teams.team("elsewhere")

    stream = streams.ready(team=other, slug="pallets")

    assert (stream.team, stream.slug) == (other, "pallets")


def test_two_of_them_decide_side_by_side() -> None:
    first, second = streams.ready(), streams.ready()

    assert first.slug != second.slug
    decided = [cases.decided(stream) for stream in (first, second)]
    assert [case.stream for case in decided] == [first, second]
    assert Case.objects.count() == 2
