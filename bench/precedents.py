"""Agreement, rescue and echo of the nearest settled cases, in several spaces."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.settled_sets import Part, Settled
from inference import neighbours, novelty
from inference.manifest import Manifest
from inference.neighbours import Space
from inference.novelty import Novelty
from reviewapp.domain import diversity

NEAREST = 5
CONSIDERED = 60
# The least confident fifth of what arrives.
HARD = 0.2
BATCH = 256
FLOORS = (0.02, 0.05)
BACKGROUND = 500

Score = Callable[[Part], NDArray[np.float64]]
Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Figures:
    """Shares among the five nearest: of all cases, of the hard ones, and, where the model is wrong, of cases whose
    neighbours mostly say the truth (rescue) or the model's answer (echo)."""

    space: str
    agreement: float
    hard: float
    rescue: float
    echo: float


@dataclass(frozen=True)
class Measured:
    """`below`: share of arriving cases with a novelty below each floor; `micros`: per row, of vector and novelty."""

    name: str
    accuracy: float
    num_wrong: int
    figures: Sequence[Figures]
    below: Sequence[float]
    micros: tuple[float, float]


def measure(settled: Settled) -> Measured:
    score = _model(settled)
    manifest = _fitted(settled, score)
    probabilities = score(settled.asked)
    spaces = {
        "plain standardised": _both(settled, _unweighted(manifest)),
        "model output": (np.log(score(settled.history) + 1e-6), np.log(probabilities + 1e-6)),
        "importance-weighted": _both(settled, manifest),
    }
    figures = [_figures(name, settled, probabilities, *space) for name, space in spaces.items()]
    figures.append(
        _figures("importance-weighted, as shown", settled, probabilities, *spaces["importance-weighted"], is_shown=True)
    )
    wrong = probabilities.argmax(axis=1) != settled.asked.truth
    reference = Space(manifest).embed(settled.feeds(_head(settled.training, BACKGROUND)))
    guard = Novelty(manifest, reference, width=Space(manifest).active_width)
    found = guard.share_stranger(spaces["importance-weighted"][1])
    return Measured(
        settled.recipe.name,
        1 - float(wrong.mean()),
        int(wrong.sum()),
        figures,
        [float((found < floor).mean()) for floor in FLOORS],
        _micros(settled, manifest, guard),
    )


def _model(settled: Settled) -> Score:
    """A model of the usual kind: boosted trees on a table, a linear one on words."""
    if settled.recipe.text:
        return _text_model(settled, settled.recipe.text)
    from lightgbm import LGBMClassifier

    codes = {c.name: {value: place for place, value in enumerate(c.values or ())} for c in settled.columns}

    def matrix(part: Part) -> NDArray[np.float64]:
        return np.array(
            [
                [
                    np.nan if row[c.name] is None else row[c.name] if c.is_numeric else codes[c.name][row[c.name]]
                    for c in settled.columns
                ]
                for row in part.rows
            ],
            dtype=np.float64,
        )

    categories = [place for place, column in enumerate(settled.columns) if not column.is_numeric]
    model = LGBMClassifier(n_estimators=150, num_leaves=15, learning_rate=0.05, n_jobs=1, random_state=0, verbose=-1)
    model.fit(matrix(settled.training), settled.training.truth, categorical_feature=categories or "auto")
    return lambda part: np.asarray(model.predict_proba(matrix(part)))


def _text_model(settled: Settled, column: str) -> Score:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    def texts(part: Part) -> list[str]:
        return [row[column] or "" for row in part.rows]

    model = make_pipeline(TfidfVectorizer(min_df=3, sublinear_tf=True), LogisticRegression(C=5.0, max_iter=500))
    model.fit(texts(settled.training), settled.training.truth)
    return lambda part: np.asarray(model.predict_proba(texts(part)))


def _fitted(settled: Settled, score: Score) -> Manifest:
    """The manifest with the space and the novelty that training gives a bundle."""
    training = settled.training
    table = {column.name: [row[column.name] for row in training.rows] for column in settled.columns}
    importance = _importance(settled, score)
    fitted = neighbours.fit(table, settled.manifest, importance=importance, outcomes=score(training))
    manifest = replace(settled.manifest, neighbours=fitted)
    placed = Space(manifest).embed(settled.feeds(training))
    own = np.full(len(placed), -1, dtype=np.intp)
    own[:BACKGROUND] = np.arange(BACKGROUND)
    return replace(manifest, novelty=novelty.fit(placed, placed[:BACKGROUND], own=own))


def _importance(settled: Settled, score: Score) -> dict[str, float]:
    """How far the probabilities move when one column is shuffled among training rows."""
    part = _head(settled.training, 2_000)
    plain = score(part)
    shuffle = np.random.default_rng(0).permutation(len(part.rows))
    moved = {}
    for column in settled.columns:
        rows = [
            {**row, column.name: part.rows[other][column.name]} for row, other in zip(part.rows, shuffle, strict=True)
        ]
        moved[column.name] = float(np.abs(score(Part(rows, part.truth)) - plain).sum(axis=1).mean())
    return moved


def _unweighted(manifest: Manifest) -> Manifest:
    """The same columns, each weighing the same; of texts, each word."""
    columns = [dict(column) for column in manifest.neighbours["columns"]]
    for column in columns:
        column["weight"] = 1 / len(columns)
        if column["kind"] == "text":
            column |= {"words": {}, "rare": 1.0}
    return replace(manifest, neighbours={**manifest.neighbours, "columns": columns})


def _both(settled: Settled, manifest: Manifest) -> tuple[Matrix, Matrix]:
    space = Space(manifest)
    return space.embed(settled.feeds(settled.history)), space.embed(settled.feeds(settled.asked))


def _figures(
    name: str,
    settled: Settled,
    probabilities: NDArray[np.float64],
    history: Matrix,
    asked: Matrix,
    *,
    is_shown: bool = False,
) -> Figures:
    truth, predicted = settled.asked.truth, probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    answers = np.stack([_answers(settled, history, one, is_shown=is_shown) for one in asked])
    agreement = (answers == truth[:, None]).mean(axis=1)
    hard = confidence <= np.quantile(confidence, HARD)
    most = np.array([np.bincount(row).argmax() for row in answers])
    wrong = predicted != truth
    return Figures(
        name,
        float(agreement.mean()),
        float(agreement[hard].mean()),
        float((most == truth)[wrong].mean()),
        float((most == predicted)[wrong].mean()),
    )


def _answers(settled: Settled, history: Matrix, one: Matrix, *, is_shown: bool) -> NDArray[np.intp]:
    """What the five nearest were settled as; `is_shown`: as a reader gets them, near-duplicates folded."""
    distances = np.sqrt(((history - one) ** 2).sum(axis=1))
    nearest = np.argpartition(distances, CONSIDERED)[:CONSIDERED]
    nearest = nearest[np.argsort(distances[nearest], kind="stable")]
    truth = settled.history.truth
    if not is_shown:
        return truth[nearest[:NEAREST]]
    candidates = [diversity.Candidate(float(distances[place]), str(truth[place]), is_honest=True) for place in nearest]
    chosen = diversity.choose(candidates, history[nearest].astype(np.float32), limit=NEAREST)
    return truth[nearest[[index for index, _ in chosen]]]


def _head(part: Part, number: int) -> Part:
    return Part(part.rows[:number], part.truth[:number])


def _micros(settled: Settled, manifest: Manifest, guard: Novelty) -> tuple[float, float]:
    space = Space(manifest)
    feeds = settled.feeds(_head(settled.asked, BATCH))
    placed = space.embed(feeds)
    return _per_row(lambda: space.embed(feeds)), _per_row(lambda: guard.share_stranger(placed))


def _per_row(work: Callable[[], object], times: int = 15) -> float:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return float(np.median(taken)) / BATCH * 1e6


def table(measured: Sequence[Measured]) -> str:
    lines = ["| set | accuracy, wrong | space | agreement@5 | hard | rescue | echo |", "|---|---|---|---|---|---|---|"]
    for one in measured:
        for place, row in enumerate(one.figures):
            first = f"{one.name} | {one.accuracy:.3f}, {one.num_wrong}" if place == 0 else " | "
            lines.append(
                f"| {first} | {row.space} | {row.agreement:.3f} | {row.hard:.3f} | {row.rescue:.2f} | {row.echo:.2f} |"
            )
    return "\n".join(lines)


def novelty_table(measured: Sequence[Measured]) -> str:
    lines = [
        "| set | novelty < 2% | novelty < 5% | vector, µs per row | novelty, µs per row |",
        "|---|---|---|---|---|",
    ]
    for one in measured:
        shares = " | ".join(f"{share:.1%}" for share in one.below)
        lines.append(f"| {one.name} | {shares} | {one.micros[0]:.2f} | {one.micros[1]:.2f} |")
    return "\n".join(lines)
