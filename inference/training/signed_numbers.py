"""Numbers that are written for people, as € 1,234.50 or 12,5 %: a model would take them for words."""

import re
from collections.abc import Sequence

_SIGN = r"[$€£¥%]"
_GROUPED = r"\d{1,3}(?:[.,'’\u00a0\u202f]\d{3})+(?:[.,]\d+)?"
_DIGITS = rf"(?:{_GROUPED}|\d+(?:[.,]\d+)?)"
_WRITTEN = re.compile(rf"[+-]?\s*(?:{_SIGN}\s*)?[+-]?{_DIGITS}(?:\s*{_SIGN})?")


def first(values: Sequence[str], *, plain: Sequence[bool]) -> int | None:
    """The place of the first number with signs, where all values are numbers of one kind or the other."""
    if all(is_plain or _WRITTEN.fullmatch(value) for value, is_plain in zip(values, plain, strict=True)):
        return next((place for place, is_plain in enumerate(plain) if not is_plain), None)
    return None
