"""scikit-learn pipelines as other people export them, as bundles without a word on what became of which column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inference import model
from inference.manifest import Column, GraphInput
from inference.model import Model
from inference.session import CPU, Session
from tests.inference import onnx_files

NUMBERS, PLACES, SORTS = ("age", "income", "debt"), ("north", "south", "west"), ("gold", "tin")
OPSETS = {"": 17, "ai.onnx.ml": 3}


@dataclass(frozen=True)
class Piped:
    """A fitted pipeline, its bundle as loaded, and rows to explain."""

    native: Any
    loaded: Model
    rows: list[dict[str, Any]]

    def table(self, rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Rows as the pipeline takes them."""
        return np.array([list(row.values()) for row in rows], dtype=object)

    @property
    def background(self) -> np.ndarray:
        columns = [self.loaded.background[name][:100] for name in self.loaded.manifest.column_names]
        return np.array(list(zip(*columns, strict=True)), dtype=object)


def people(count: int = 300, *, seed: int = 0) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Three numbers and two categories; what is true hangs on both kinds and on how they meet."""
    draw = np.random.default_rng(seed)
    numbers = (draw.integers(-32, 32, size=(count, 3)) / 16).astype(np.float32)
    place, sort = draw.integers(0, 3, size=count), draw.integers(0, 2, size=count)
    truth = (numbers[:, 0] + (place == 1) * numbers[:, 1] - 0.5 * sort + draw.normal(size=count) * 0.3 > 0).astype(int)
    rows = [
        {**dict(zip(NUMBERS, row, strict=True)), "place": PLACES[at], "sort": SORTS[kind]}
        for row, at, kind in zip(numbers.tolist(), place, sort, strict=True)
    ]
    return rows, truth


def prepared(estimator: Any) -> Any:
    """Impute and scale the numbers, one column per category, then the estimator.

    The numbers lie in [-2, 2), so that scaling halves them, exactly in single precision, too.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder

    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), MaxAbsScaler()), [0, 1, 2]),
            ("words", OneHotEncoder(handle_unknown="ignore", sparse_output=False), [3, 4]),
        ]
    )
    return make_pipeline(columns, estimator)


def of_people(estimator: Any) -> Piped:
    """A pipeline on numbers and categories."""
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    rows, truth = people()
    native = prepared(estimator)
    native.fit(np.array([list(row.values()) for row in rows], dtype=object), truth)
    columns = [
        *(Column(name, "float") for name in NUMBERS),
        Column("place", "category", values=PLACES),
        Column("sort", "category", values=SORTS),
    ]
    inputs = [GraphInput("numbers", "float", NUMBERS), GraphInput("words", "string", ("place", "sort"))]
    types = [("numbers", FloatTensorType([None, 3])), ("words", StringTensorType([None, 2]))]
    return Piped(native, load(native, types, columns, inputs, rows=rows), rows[200:210])


def of_texts(estimator: Any) -> Piped:
    """Word TF-IDF of one text column, then the estimator."""
    from skl2onnx.common.data_types import StringTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    draw = np.random.default_rng(0)
    vocabulary = ["kind", "thanks", "lovely", "stupid", "liar", "idiot", "today", "because", "weather", "train"]
    rows, truth = [], []
    for _ in range(200):
        words = draw.choice(vocabulary, size=int(draw.integers(3, 8)))
        rows.append({"text": " ".join(words)})
        truth.append(int(np.isin(words, ["stupid", "liar", "idiot"]).sum() >= 2))
    terms = TfidfVectorizer(token_pattern="[a-zA-Z]+", ngram_range=(1, 2))
    native = make_pipeline(ColumnTransformer([("text", terms, 0)]), estimator)
    native.fit(np.array([[row["text"]] for row in rows], dtype=object), truth)
    types = [("words", StringTensorType([None, 1]))]
    inputs = [GraphInput("words", "string", ("text",))]
    loaded = load(
        native,
        types,
        [Column("text", "text")],
        inputs,
        rows=rows,
        options={TfidfVectorizer: {"locale": "C", "tokenexp": "[a-zA-Z]+"}},
    )
    return Piped(native, loaded, rows[100:110])


def load(
    native: Any,
    types: Sequence[Any],
    columns: Sequence[Column],
    inputs: Sequence[GraphInput],
    *,
    rows: Sequence[Any],
    options: Mapping[Any, Any] | None = None,
) -> Model:
    """The pipeline as skl2onnx exports it, in a bundle whose golden rows are what the runtime answers."""
    from skl2onnx import to_onnx

    chosen = {id(native): {"zipmap": False}, **(options or {})}
    exported = to_onnx(native, initial_types=types, options=chosen, target_opset=OPSETS)
    return load_onnx(exported, columns, inputs, rows=rows)


def load_onnx(exported: Any, columns: Sequence[Column], inputs: Sequence[GraphInput], *, rows: Sequence[Any]) -> Model:
    from inference.decode import Decoder

    manifest = onnx_files.manifest_for(columns, inputs)
    session = Session(exported.SerializeToString(), providers=[CPU])
    (found,) = session.run(Decoder(manifest).feeds(rows[:60]), outputs=["probabilities"])
    return model.load(onnx_files.bundle_of(exported, manifest, rows=rows[:60], probabilities=found.tolist()))
