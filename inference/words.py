"""Texts as vectors: their words, weighed by what they mean to the model, hashed into a fixed number of places."""

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

PLACES = 128
# A word that fewer texts hold is as good as unknown, and might name somebody.
MIN_TEXTS = 5
MAX_WORDS = 2_000
# Texts that every word is supposed to have been in beside its own: few texts prove little.
_PRIOR = 5.0
# An unknown word against a known one of middling importance.
_UNKNOWN = 0.2
_MAX_CHARACTERS = 20_000
_WORD = re.compile(r"\w[\w'-]*\w|\w")


def split(text: str) -> list[str]:
    """The words of a text in lower case, in their order."""
    return _WORD.findall(text[:_MAX_CHARACTERS].lower())


def fit(texts: Sequence[str | None], outcomes: NDArray[np.float64] | None = None) -> dict[str, Any]:
    """How much each frequent word weighs: how far the outcome of texts that hold it lies from that of all.

    `outcomes` are rows × classes, probabilities or ones and zeros; without them every word weighs the same.
    """
    if outcomes is None:
        return {"words": {}, "rare": 1.0}
    middle = outcomes.mean(axis=0)
    numbers: Counter[str] = Counter()
    totals: dict[str, NDArray[np.float64]] = {}
    for text, outcome in zip(texts, outcomes, strict=True):
        for word in set(split(text or "")):
            numbers[word] += 1
            totals[word] = totals[word] + outcome if word in totals else outcome
    found = {
        word: round(float(np.abs((totals[word] + _PRIOR * middle) / (number + _PRIOR) - middle).sum() / 2), 4)
        for word, number in numbers.items()
        if number >= MIN_TEXTS
    }
    telling = sorted(found, key=lambda word: (-found[word] * numbers[word] ** 0.5, word))[:MAX_WORDS]
    middling = float(np.median(list(found.values()))) if found else 1.0
    return {"words": {word: found[word] for word in sorted(telling)}, "rare": round(_UNKNOWN * middling, 4) or 0.001}


def weights(text: str, *, words: Mapping[str, float], rare: float) -> dict[str, float]:
    """The weight of each word of a text; their squares sum to one, unless there is none."""
    counts = Counter(split(text))
    weight = words.get
    found = {
        word: weight(word, rare) if times == 1 else (1.0 + math.log(times)) * weight(word, rare)
        for word, times in counts.items()
    }
    length = math.sqrt(sum(value * value for value in found.values()))
    return {word: value / length for word, value in found.items()} if length else {}


def matrix(texts: Iterable[str], *, words: Mapping[str, float], rare: float) -> NDArray[np.float32]:
    """The texts in 128 places each, about one long; without a common word they stand about at right angles."""
    rows = []
    for text in texts:
        places = [0.0] * PLACES
        for word, weight in weights(text, words=words, rare=rare).items():
            place, sign = _place(word)
            places[place] += sign * weight
        rows.append(places)
    return np.array(rows, dtype=np.float32).reshape(-1, PLACES)


@lru_cache(maxsize=50_000)
def _place(word: str) -> tuple[int, float]:
    # A checksum is the same on every machine and in every release of Python.
    code = zlib.crc32(word.encode())
    return code % PLACES, 1.0 if code & 0x8000_0000 else -1.0
