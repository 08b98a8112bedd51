"""Points in time written as text: one format per column, or a sentence that says where it changes."""

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from inference.training.refused import TrainingRefused, shown
from inference.training.source import Field

_REMEDY = "write every time as 2024-01-31 or 2024-01-31T14:32:00"
FORMATS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%b %d, %Y",
    "%d %b %Y",
    "%B %d, %Y",
    "%Y%m%d",
    "%m/%d/%Y %H:%M",
    "%d.%m.%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
)


def times(field: Field, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Seconds since 1970, or the numbers themselves, one per row. Raises TrainingRefused."""
    gap = pc.index(pc.is_null(field.values), value=True).as_py()
    if gap >= 0:
        raise TrainingRefused(
            f"Column `{field.name}`, row {numbers[gap]} has no time; fill it in, leave the row out, or train without "
            "--time."
        )
    kind = field.values.type
    if pa.types.is_temporal(kind):
        return np.array([_seconds(value) for value in field.values.to_pylist()])
    if not pa.types.is_string(kind):
        return np.asarray(field.values.cast(pa.float64()).to_numpy(zero_copy_only=False))
    encoded = pc.dictionary_encode(pc.utf8_trim_whitespace(field.values))
    distinct, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
    return np.asarray(_parsed(field.name, distinct, codes=codes, numbers=numbers)[codes])


def looks_like_dates(distinct: list[str]) -> bool:
    """Whether every value is a date in one format or another; eight digits alone are a number."""
    return bool(distinct) and all(
        not value.strip().isdigit() and any(_read(value.strip(), one) is not None for one in (None, *FORMATS))
        for value in distinct[:50]
    )


def _parsed(
    name: str, distinct: list[str], *, codes: NDArray[np.intp], numbers: NDArray[np.int64]
) -> NDArray[np.float64]:
    found = {form: [_read(value, form) for value in distinct] for form in (None, *FORMATS)}
    whole = {form: values for form, values in found.items() if all(value is not None for value in values)}
    readings = list({tuple(v for v in values if v is not None) for values in whole.values()})
    if len(readings) > 1:
        raise TrainingRefused(
            f"Column `{name}`: {shown(distinct[0])} in row {numbers[np.flatnonzero(codes == 0)[0]]} may be read as day "
            f"and month or as month and day; {_REMEDY}."
        )
    if readings:
        return np.array(readings[0])
    try:
        return np.array([float(value) for value in distinct])
    except ValueError:
        pass
    best = max(found, key=lambda form: sum(value is not None for value in found[form]))
    odd = next(place for place, value in enumerate(found[best]) if value is None)
    good = next((place for place, value in enumerate(found[best]) if value is not None), None)
    like = f" is not written like {shown(distinct[good])}" if good is not None else " is no time"
    row = numbers[np.flatnonzero(codes == odd)[0]]
    raise TrainingRefused(f"Column `{name}`, row {row}: {shown(distinct[odd])}{like}; {_REMEDY}.")


def _read(value: str, form: str | None) -> float | None:
    try:
        if form is not None:
            return _seconds(datetime.strptime(value, form))  # noqa: DTZ007 given a zone below
        # `20240131` is ISO, too, but rather a number here.
        return None if value.isdigit() else _seconds(datetime.fromisoformat(value))
    except ValueError:
        return None


def _seconds(value: Any) -> float:
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise TrainingRefused(f"The time {shown(value)} has no date; {_REMEDY}.")
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
