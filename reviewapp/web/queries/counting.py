"""Counts for people: exact while small, “1000+” beyond, so that no page ever counts a big table."""

CAP = 1000


def capped(number: int, *, cap: int = CAP) -> str:
    return f"{cap}+" if number > cap else str(number)
