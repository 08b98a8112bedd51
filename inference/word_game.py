"""The words of a text and what each contributes, where only the model's answers can be asked for."""

import hashlib
import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from inference.explanation import Words, words_of

# Longer texts are cut into so many runs of words.
PLAYERS = 32
_PAIRS = 8


def words(text: str, ask: Callable[[Sequence[str]], NDArray[np.float64]], *, total: float) -> Words:
    """Shapley values of leaving words out, by paired walks from the empty text; the rest of `total` is the rest."""
    tokens = re.findall(r"\S+", text)
    if not tokens:
        return Words((), total)
    players = np.arange(len(tokens)) * min(PLAYERS, len(tokens)) // len(tokens)
    number = int(players[-1]) + 1
    order = np.argsort(_keys(text, number), axis=1)
    walks = np.concatenate([order, order[:, ::-1]])
    texts = [
        " ".join(token for token, player in zip(tokens, players, strict=True) if player in kept)
        for walk in walks
        for kept in (set(walk[:size].tolist()) for size in range(number + 1))
    ]
    # An empty text and the whole one come up in every walk.
    different = list(dict.fromkeys(texts))
    answers = dict(zip(different, ask(different).tolist(), strict=True))
    gains = np.diff(np.array([answers[one] for one in texts]).reshape(len(walks), number + 1), axis=1)
    worth = np.zeros(number)
    for walk, gain in zip(walks, gains, strict=True):
        worth[walk] += gain / len(walks)
    runs = [" ".join(token for token, one in zip(tokens, players, strict=True) if one == at) for at in range(number)]
    return words_of(list(zip(runs, worth.tolist(), strict=True)), total=total)


def _keys(text: str, number: int) -> NDArray[np.uint64]:
    """Keys that depend on the text alone, so that an explanation can be repeated."""
    stream = hashlib.shake_256(text.encode()).digest(8 * _PAIRS * number)
    return np.frombuffer(stream, dtype=">u8").reshape(_PAIRS, number)
