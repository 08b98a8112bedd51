"""Exact SHAP values of the tree ensemble that served, against the bundle's background."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference import ensemble_probe, trees
from inference.decode import Feeds
from inference.explanation import Method
from inference.refusal import BundleRefused
from inference.session import Session
from inference.trees import TreesUnsupported

if TYPE_CHECKING:
    from inference.model import Model


class TreeExplainer:
    """Interventional TreeSHAP on the ensemble's own score, summed over what each input column turned into."""

    method: Method = "tree_shap_interventional"

    def __init__(self, model: "Model", background: Feeds) -> None:
        manifest = model.manifest
        proto, node = ensemble_probe.find(model.graph, probabilities=manifest.probabilities_output)
        self._ensemble = trees.parse(node)
        self._classes = manifest.classes
        self._probe = _open(ensemble_probe.opened(proto, node), model)
        self._background, score = self._transform(background)
        self._owner = _owners(manifest, self._background.shape[1])
        self._names = manifest.column_names
        self._by_output: dict[int, Any] = {}
        _check_follows(score, model.probabilities(background), self._ensemble)
        post_transform = {item.name: item.s for item in node.attribute}.get("post_transform", b"NONE")
        self.output_space = str(manifest.explainer.get("output_space") or _space(post_transform, score))

    def explain(self, feeds: Feeds, classes: Sequence[int]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Base values, output values as served, and attributions (rows × input columns)."""
        features, score = self._transform(feeds)
        base, phi = np.zeros(len(classes)), np.zeros((len(classes), len(self._names)))
        served = np.zeros(len(classes))
        chosen = [self._output_of(index) for index in classes]
        outputs, signs = np.array([output for output, _ in chosen]), np.array([sign for _, sign in chosen])
        # One call per output, not per class: both classes of a single score share it, with opposite signs.
        for output in np.unique(outputs):
            rows = np.flatnonzero(outputs == output)
            explainer = self._explainer(int(output))
            found = np.asarray(explainer.shap_values(features[rows], check_additivity=False))
            found = found.reshape(len(rows), -1)
            phi[rows] = signs[rows, None] * (found @ self._owner)
            base[rows] = signs[rows] * float(np.ravel(explainer.expected_value)[0])
            served[rows] = signs[rows] * score[rows, output]
        return base, served, phi

    def _transform(self, feeds: Feeds) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        features, score = self._probe.run(feeds, outputs=[ensemble_probe.FEATURES, ensemble_probe.SCORE])
        # For one stored score the runtime answers with two columns; the second is the score itself.
        kept = score[:, -1:] if self._ensemble.num_outputs == 1 else score
        return np.asarray(features, dtype=np.float64), np.asarray(kept, dtype=np.float64)

    def _output_of(self, index: int) -> tuple[int, float]:
        if self._ensemble.num_outputs == 1:
            return 0, 1.0 if index == 1 else -1.0
        return index, 1.0

    def _explainer(self, output: int) -> Any:
        if output not in self._by_output:
            import shap

            # Given a plain array, SHAP would quietly keep 100 rows of it.
            masker = shap.maskers.Independent(self._background, max_samples=len(self._background))
            self._by_output[output] = shap.TreeExplainer(
                self._ensemble.for_shap(output), data=masker, feature_perturbation="interventional"
            )
        return self._by_output[output]


def _open(content: bytes, model: "Model") -> Session:
    try:
        return Session(content, threads=model.threads, providers=[model.provider])
    except BundleRefused as error:
        # Trees over float64 columns: their thresholds cannot be compared the way SHAP would.
        raise TreesUnsupported(str(error)) from error


def _owners(manifest: Any, width: int) -> NDArray[np.float64]:
    """Transformed column × input column, 1 where the first was made of the second."""
    names: Sequence[str] = manifest.transformed
    if not names:
        fed = [name for item in manifest.inputs for name in item.columns]
        names = fed if len(manifest.inputs) == 1 else ()
    if len(names) != width:
        raise TreesUnsupported("The manifest does not say which input column each of the trees' columns comes from.")
    place: Mapping[str, int] = {name: index for index, name in enumerate(manifest.column_names)}
    owner = np.zeros((width, len(place)))
    owner[np.arange(width), [place[name] for name in names]] = 1.0
    return owner


def _check_follows(score: NDArray[Any], probabilities: NDArray[Any], ensemble: trees.Ensemble) -> None:
    """The margin may stand for a class only while the class's probability never falls as it rises."""
    columns = probabilities.shape[1]
    if ensemble.num_outputs == 1 and columns == 2:
        pairs = [(score[:, 0], probabilities[:, 1])]
    elif ensemble.num_outputs == columns:
        if columns > 2:
            if (score.argmax(axis=1) != probabilities.argmax(axis=1)).any():
                raise TreesUnsupported("The probabilities order the classes differently than the trees do.")
            return
        pairs = [(score[:, index], probabilities[:, index]) for index in range(columns)]
    else:
        raise TreesUnsupported("The trees have other outputs than there are classes.")
    for margin, probability in pairs:
        in_order = probability[np.argsort(margin, kind="stable")]
        if (np.diff(in_order) < -1e-6).any():
            raise TreesUnsupported("The probability falls where the trees' score rises.")


def _space(post_transform: bytes, score: NDArray[Any]) -> str:
    if post_transform == b"NONE" and (score >= -1e-6).all() and (score <= 1 + 1e-6).all():
        return "probability"
    return "log_odds" if score.shape[1] == 1 else "class_score"
