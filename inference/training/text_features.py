"""Text columns as features: the weight of each word and pair of words, TF-IDF, with one tokeniser for both sides.

A word is a run of ASCII letters and digits and of anything beyond ASCII. Only ASCII is lower-cased, which is what the
runtime's normaliser does in the `C` locale; any other locale need not be installed where the model serves.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from inference.training.onnx_graph import Part

PATTERN = "[a-z0-9\\x{80}-\\x{10FFFF}]+"  # as RE2 writes it
_PYTHON_PATTERN = re.compile("[a-z0-9\u0080-\U0010ffff]+")
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
MIN_TEXTS = 5
# Pads the shorter texts of a batch; no word can be equal to it.
_PAD = "#"


def words_of(text: str) -> list[str]:
    """The words of a text, as the graph's tokeniser finds them."""
    return _PYTHON_PATTERN.findall(text.translate(_LOWER))


@dataclass(frozen=True)
class TextFeatures:
    """The words of one text column, which is a graph input of its own."""

    column: str
    input: str
    terms: tuple[str, ...]  # words, and pairs of words with a space between
    weights: NDArray[np.float32]  # inverse document frequency of each term

    @classmethod
    def fit(cls, column: str, name: str, texts: NDArray[Any], *, limit: int) -> "TextFeatures | None":
        """None where no word occurs often enough to learn from."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        try:
            found = TfidfVectorizer(analyzer=_terms_of, min_df=MIN_TEXTS, max_features=limit).fit(texts)
        except ValueError:
            return None  # scikit-learn's way of saying that the vocabulary is empty
        terms = found.get_feature_names_out()
        return cls(column, name, tuple(str(term) for term in terms), found.idf_.astype(np.float32))

    @property
    def owners(self) -> tuple[str, ...]:
        return (self.column,) * len(self.terms)

    def apply(self, texts: NDArray[Any]) -> Any:
        """Rows × terms, sparse."""
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.preprocessing import normalize

        counts = CountVectorizer(analyzer=_terms_of, vocabulary={term: at for at, term in enumerate(self.terms)})
        found = counts.transform(texts).astype(np.float32)
        found.data = (1 + np.log(found.data)) * self.weights[found.indices]
        return normalize(found, copy=False)

    def nodes(self) -> tuple[Part, list[str]]:
        at = self.input

        def name(step: str) -> str:
            return f"{at}_{step}"

        nodes = [
            helper.make_node("Reshape", [at, name("flat_shape")], [name("flat")]),
            helper.make_node(
                "StringNormalizer", [name("flat")], [name("lower")], case_change_action="LOWER", locale="C"
            ),
            helper.make_node(
                "Tokenizer",
                [name("lower")],
                [name("tokens")],
                domain="com.microsoft",
                mark=0,
                mincharnum=1,
                pad_value=_PAD,
                tokenexp=PATTERN,
            ),
            helper.make_node("TfIdfVectorizer", [name("tokens")], [name("counts")], **self._pool()),
            # 1 + log(count) where a term occurs, 0 elsewhere
            helper.make_node("Max", [name("counts"), name("one")], [name("at_least_one")]),
            helper.make_node("Log", [name("at_least_one")], [name("log")]),
            helper.make_node("Add", [name("log"), name("one")], [name("damped")]),
            helper.make_node("Sign", [name("counts")], [name("occurs")]),
            helper.make_node("Mul", [name("damped"), name("occurs")], [name("frequency")]),
            helper.make_node("Mul", [name("frequency"), name("weights")], [name("weighted")]),
            helper.make_node("ReduceL2", [name("weighted")], [name("length")], axes=[1], keepdims=1),
            helper.make_node("Max", [name("length"), name("least")], [name("divisor")]),
            helper.make_node("Div", [name("weighted"), name("divisor")], [name("terms")]),
        ]
        constants: dict[str, NDArray[Any]] = {
            "flat_shape": np.array([-1], dtype=np.int64),
            "one": np.array([1], dtype=np.float32),
            "least": np.array([1e-12], dtype=np.float32),
            "weights": self.weights,
        }
        return (nodes, [numpy_helper.from_array(value, name(key)) for key, value in constants.items()]), [name("terms")]

    def _pool(self) -> dict[str, Any]:
        singles = [(at, term) for at, term in enumerate(self.terms) if " " not in term]
        pairs = [(at, term.split(" ")) for at, term in enumerate(self.terms) if " " in term]
        return {
            "mode": "TF",
            "min_gram_length": 1,
            "max_gram_length": 2 if pairs else 1,
            "max_skip_count": 0,
            "ngram_counts": [0, len(singles)] if pairs else [0],
            "ngram_indexes": [at for at, _ in singles] + [at for at, _ in pairs],
            "pool_strings": [term for _, term in singles] + [word for _, pair in pairs for word in pair],
        }


def _terms_of(text: str) -> list[str]:
    words = words_of(text)
    return words + [f"{first} {second}" for first, second in pairwise(words)]
