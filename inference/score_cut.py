"""The score an explanation is about: as near to the probabilities as it is still a sum of its parts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from inference import score_graph, trees
from inference.decode import Feeds
from inference.score_graph import NotAdditive, Part, ScoreGraph

Floats = NDArray[np.float64]
_STEPS = (0.01, 0.5, 5.0)


@dataclass(frozen=True)
class Cut:
    """`target` = constant + Σ part's tensor · matrix; `raw` names the part that answers without its transform."""

    target: str
    parts: tuple[Part, ...]
    constant: Floats
    matrices: dict[str, Floats]
    raw: str


def find(scores: ScoreGraph, parts: list[Part], *, probabilities: str, classes: int, background: Feeds) -> Cut:
    """The cut whose tensor is one score, or one per class; raises NotAdditive."""
    transformed = [part for part in parts if part.is_transformed]
    if transformed:
        # Behind its own transform a score is no sum any more: it has to be the only one.
        if len(parts) > 1:
            raise NotAdditive("Several ensembles turn their scores into probabilities before they are put together.")
        name = parts[0].score
        (score,) = score_graph.run(scores.session([name], raw=name), background, [name])
        width = score_graph.columns(score).shape[1]
        return Cut(name, tuple(parts), np.zeros(width), {name: np.eye(width)}, raw=name)
    names = [part.score for part in parts]
    samples = dict(zip(names, score_graph.run(scores.session(names), background, names), strict=True))
    widths = {name: score_graph.columns(value).shape[1] for name, value in samples.items()}
    for target in scores.narrows(probabilities, names):
        found = score_graph.affine(scores, target, widths, samples=samples)
        if found is None or len(found[0]) not in {1, 2, classes}:
            continue
        constant, matrices = found
        rounded = {name: _rounded(matrix) for name, matrix in matrices.items()}
        return Cut(target, tuple(parts), constant, rounded, raw="")
    raise NotAdditive("No score of one column, or of one per class, is a sum of trees and linear layers.")


def _rounded(matrix: Floats) -> Floats:
    """The graph was asked in float32; a whole number was one."""
    whole = np.round(matrix)
    return np.where(np.abs(matrix - whole) < 1e-6, whole, matrix)


@dataclass(frozen=True)
class View:
    """What is shown of the cut's columns: one score (of the second class) or one per class, and its space."""

    matrix: Floats
    space: str


def view(tensor: Floats, probabilities: Floats) -> View:
    """Log-odds or probabilities where that is what the scores are, else the scores as they stand."""
    width = tensor.shape[1]
    if probabilities.shape[1] > 2 or width > 2:
        return View(np.eye(width), "probability" if _near(tensor, probabilities) else "class_score")
    second = probabilities[:, 1]
    if width == 2 and _near(tensor, probabilities):
        return View(np.eye(2), "probability")
    if width == 2 and _near(expit(tensor[:, 1] - tensor[:, 0]), second):
        return View(np.array([[-1.0], [1.0]]), "log_odds")
    last = tensor[:, -1]
    if width == 2 and not (_near(tensor[:, 0], -last) or _near(tensor[:, 0], 1.0 - last)):
        return View(np.eye(2), "class_score")
    space = "probability" if _near(last, second) else "log_odds" if _near(expit(last), second) else "raw"
    return View(np.eye(width)[:, -1:], space)


def _near(one: Floats, other: Floats) -> bool:
    return bool((np.abs(one - other) <= 1e-4 * np.maximum(1.0, np.abs(other))).all())


def check_follows(
    scores: ScoreGraph, cut: Cut, *, tensor: Floats, shown: Floats, probabilities: Floats, name: str
) -> None:
    """A score may stand for a class only while the class's probability never falls as it rises."""
    columns = probabilities.shape[1]
    if shown.shape[1] == 1 and columns == 2:
        pairs = [(shown[:, 0], probabilities[:, 1])]
    elif shown.shape[1] == columns:
        if columns > 2 and (_top(shown) & ~_top(probabilities)).any():
            raise NotAdditive("The probabilities order the classes differently than the scores do.")
        pairs = [] if columns > 2 else [(shown[:, index], probabilities[:, index]) for index in range(columns)]
    else:
        raise NotAdditive("There are other scores than there are classes.")
    for margin, probability in pairs:
        if (np.diff(probability[np.argsort(margin, kind="stable")]) < -1e-6).any():
            raise NotAdditive("The probability falls where the score rises.")
    if not cut.raw and cut.target != name:
        _check_rises(scores, cut, tensor, name)


def _top(values: Floats) -> NDArray[np.bool_]:
    """Whether a class is the first by some distance, so that rounding cannot have made it so."""
    ordered = np.sort(values, axis=1)
    return np.asarray((values == ordered[:, -1:]) & (ordered[:, -1:] - ordered[:, -2:-1] > 1e-6))


def _check_rises(scores: ScoreGraph, cut: Cut, score: Floats, name: str) -> None:
    """Raise each class's score alone, in the graph behind it, and see the class's probability not fall."""
    width = score.shape[1]
    session = scores.session([name], given={cut.target: width})

    def ask(values: Floats) -> Floats:
        (found,) = score_graph.run(session, {cut.target: np.ascontiguousarray(values, dtype=np.float32)}, [name])
        return score_graph.columns(found)

    scale = float(np.std(score)) or 1.0
    try:
        before = ask(score)
        for column in range(width):
            for step in _STEPS:
                raised = score.copy()
                raised[:, column] += step * scale
                after = ask(raised)
                belongs = 1 if width == 1 else column
                if (after[:, belongs] < before[:, belongs] - 1e-6).any():
                    raise NotAdditive("The probability falls where the score rises.")
    except NotAdditive:
        raise
    except Exception as error:  # the runtime raises types of its own, none of them public
        raise NotAdditive("The graph behind the scores cannot be asked by itself.") from error


def own_outputs(part: Part, tensor: Floats, own: Floats) -> tuple[Floats, Floats]:
    """The part's tensor as constant + its own outputs · matrix: of one stored score the runtime makes two columns."""
    if own.shape[1] == tensor.shape[1]:
        constant, matrix = np.zeros(own.shape[1]), np.eye(own.shape[1])
    elif own.shape[1] == 1 and tensor.shape[1] == 2:
        mirrored = tensor[0, 0] + tensor[0, 1]
        constant, matrix = np.array([1.0 if abs(mirrored - 1.0) < 1e-3 else 0.0, 0.0]), np.array([[-1.0, 1.0]])
    else:
        raise NotAdditive(f"{part.node.op_type} answers with other columns than it stores.")
    difference = np.abs(constant + own @ matrix - tensor)
    if not (difference <= 1e-4 * np.maximum(1.0, np.abs(tensor))).all():
        raise trees.TreesUnsupported(f"{part.node.op_type} answers otherwise than it was read.")
    return constant, matrix
