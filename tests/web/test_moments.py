"""Times as people write them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from reviewapp.web.moments import parse

# A Saturday.
NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("last Tuesday 14:32", "2026-11-17 14:32:00"),
        ("last Tuesday at 2:32 pm", "2026-11-17 14:32:00"),
        ("Tuesday 14:32", "2026-11-17 14:32:00"),
        ("2026-11-17 14:32", "2026-11-17 14:32:00"),
        ("2026-11-17T14:32:05", "2026-11-17 14:32:05"),
        ("17.11.2026 14:32", "2026-11-17 14:32:00"),
        ("17 Nov 14:32", "2026-11-17 14:32:00"),
        ("yesterday 9am", "2026-11-20 09:00:00"),
        ("yesterday at 9", "2026-11-20 09:00:00"),
        ("  Yesterday noon ", "2026-11-20 12:00:00"),
        ("3 hours ago", "2026-11-21 08:00:00"),
        ("14:32", "2026-11-20 14:32:00"),
    ],
)
def test_a_point_in_time_is_one_of_the_persons_own_clock(text, expected):
    moment = parse(text, now=NOW, zone=BERLIN)

    assert moment.is_point
    assert moment.start.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M:%S") == expected


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("last Tuesday", "2026-11-17", "2026-11-17"),
        ("yesterday", "2026-11-20", "2026-11-20"),
        ("2026-11-17", "2026-11-17", "2026-11-17"),
        ("3/4/2026", "2026-04-03", "2026-04-03"),
        ("last week", "2026-11-09", "2026-11-15"),
        ("last month", "2026-10-01", "2026-10-31"),
        ("December 2025", "2025-12-01", "2025-12-31"),
        ("2025", "2025-01-01", "2025-12-31"),
    ],
)
def test_a_day_week_month_or_year_is_the_whole_of_it(text, first, last):
    moment = parse(text, now=NOW, zone=BERLIN)

    assert not moment.is_point
    assert moment.start.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M") == f"{first} 00:00"
    assert moment.last.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M:%S") == f"{last} 23:59:59"


def test_a_day_on_which_the_clocks_change_has_an_hour_more():
    moment = parse("2026-10-25", now=NOW, zone=BERLIN)

    assert moment.end - moment.start == timedelta(hours=25)


def test_what_day_it_is_depends_on_where_one_is():
    late = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)

    assert parse("today", now=late, zone=BERLIN).start.astimezone(BERLIN).day == 21
    assert parse("today", now=late, zone=NEW_YORK).start.astimezone(NEW_YORK).day == 20


def test_a_zone_that_is_named_goes_before_the_persons_own():
    assert parse("2026-11-17 14:32 UTC", now=NOW, zone=BERLIN).start == datetime(2026, 11, 17, 14, 32, tzinfo=UTC)
    assert parse("2026-11-17T14:32:00-05:00", now=NOW, zone=BERLIN).start.hour == 19


@pytest.mark.parametrize("text", ["", "damaged", "p-77", "32/13/2026", "2026-13-45", "x" * 60, "٣٣:٩٩"])
def test_what_is_no_time_is_none(text):
    assert parse(text, now=NOW, zone=UTC) is None
