"""Durations as people say them."""

_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def in_words(seconds: float) -> str:
    """A duration (seconds ≥ 0) in its largest fitting unit, to three figures: “1.5 hours”."""
    name, size = next((unit for unit in _UNITS if seconds >= unit[1]), _UNITS[-1])
    amount = f"{seconds / size:.3g}" if seconds < 1000 * size else f"{seconds / size:,.0f}"
    return f"{amount} {name}" if amount == "1" else f"{amount} {name}s"
