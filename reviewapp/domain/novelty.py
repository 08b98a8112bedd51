"""How unusual an input is, for people. Novelty is the share of training rows stranger than it: near 0 is unlike any."""

# A prediction is written with the share it has among some hundreds of levels: below this it means none.
NONE = 0.0005


def in_words(novelty: float) -> str:
    """One sentence: how the case compares with those the model learned from, and the figure behind it."""
    if novelty < NONE:
        return "Unlike anything the model learned from: none of its training cases was stranger."
    if novelty < 0.01:
        return f"Very unusual for this model: {_few(novelty)} of its training cases were stranger."
    if novelty < 0.05:
        return f"Unusual for this model: {_few(novelty)} of its training cases were stranger."
    if novelty < 0.25:
        return f"Less usual than most: {_share(novelty)} of the model's training cases were stranger."
    return f"A case like those the model learned from: {_share(novelty)} of them were stranger."


def why_reviewed(novelty: float, floor: float) -> str:
    """Why the novelty guardrail sends a case to people."""
    stranger = "none" if novelty < NONE else _few(novelty)
    return (
        f"The case is unlike those the model learned from: {stranger} of its training cases were stranger, "
        f"below the {_share(floor)} at which it may act alone."
    )


def _few(value: float) -> str:
    return "fewer than 0.1%" if value < 0.001 else f"only {value:.1%}"


def _share(value: float) -> str:
    return f"{value:.1%}"
