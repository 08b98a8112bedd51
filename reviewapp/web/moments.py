"""Times as people write them: “last Tuesday 14:32”, “yesterday 9am”, “17 Nov”, in their own time zone."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dateparser.date import DateDataParser

# Read as an hour; the library would drop it and take the hour of now.
_BARE_HOUR = re.compile(r"\bat (\d{1,2})$", re.IGNORECASE)
MONTHS = 12


@dataclass(frozen=True)
class Moment:
    """A point in time, or a span [start, end) where a whole day, week, month or year was named."""

    start: datetime
    end: datetime | None = None

    @property
    def is_point(self) -> bool:
        return self.end is None

    @property
    def last(self) -> datetime:
        """The last second of a span, for people."""
        return self.start if self.end is None else self.end - timedelta(seconds=1)


def parse(text: str, *, now: datetime, zone: tzinfo) -> Moment | None:
    """What a text means to somebody in `zone` at `now`; None where it means no time.

    Days come before months, and a weekday or a day without a year is the last one that has been.
    """
    local = now.astimezone(zone).replace(tzinfo=None)
    found = _parser(local).get_date_data(_BARE_HOUR.sub(r"\1:00", text.strip()))
    if found.date_obj is None:
        return None
    try:
        return _moment(found.date_obj, found.period, zone)
    except (OverflowError, ValueError):  # at the edges of the calendar
        return None


def _moment(read: datetime, period: str, zone: tzinfo) -> Moment:
    if period in {"time", "part_of_day"}:
        return Moment(_aware(read, zone))
    day = read.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    match period:
        case "week":
            start = day - timedelta(days=day.weekday())
            end = start + timedelta(days=7)
        case "month":
            start = day.replace(day=1)
            end = _next_month(start)
        case "year":
            start = day.replace(month=1, day=1)
            end = start.replace(year=start.year + 1)
        case _:
            start, end = day, day + timedelta(days=1)
    return Moment(_aware(start, zone), _aware(end, zone))


def _aware(read: datetime, zone: tzinfo) -> datetime:
    return (read if read.tzinfo else read.replace(tzinfo=zone)).astimezone(UTC)


def _next_month(start: datetime) -> datetime:
    return start.replace(year=start.year + start.month // MONTHS, month=start.month % MONTHS + 1)


def _parser(base: datetime) -> "DateDataParser":
    settings: dict[str, Any] = {
        "RELATIVE_BASE": base,
        "PREFER_DATES_FROM": "past",
        "RETURN_TIME_AS_PERIOD": True,
        "DATE_ORDER": "DMY",
        "PREFER_LOCALE_DATE_ORDER": False,
    }
    return _library()(languages=["en"], settings=settings)


@cache
def _library() -> "type[DateDataParser]":
    # Imported with the first question: it costs a quarter of a second that no other page needs.
    from dateparser.date import DateDataParser

    return DateDataParser
