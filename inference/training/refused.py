"""What a person can put right in the data, said in one sentence."""


class TrainingRefused(ValueError):
    """Data that cannot be trained on; the message names column, row and remedy."""


def listed(names: list[str], *, limit: int = 12) -> str:
    """Names in a row, the first few of many."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(f"`{name}`" for name in names[:limit]) + more


def shown(value: object, *, limit: int = 40) -> str:
    """A value as it stands in a message: on one line, cut where it is long."""
    text = " ".join(str(value).split())
    return f"“{text[:limit]}…”" if len(text) > limit else f"“{text}”"
