"""What the model has to say on a case: shown only where `permissions` allow it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reviewapp import inference_client
from reviewapp.cases.models import Case, Explanation, Prediction
from reviewapp.cases.similar import WANTED, SimilarCase, similar_cases
from reviewapp.web.subjects import Display, Picture, written

BARS = 8
# So many of the features that mattered most are set beside those of each similar case.
COMPARED = 2


@dataclass(frozen=True)
class Shap:
    """An explanation for people. `state`: ready, pending, failed or none (a model that cannot be explained here)."""

    state: str
    explanation: Explanation | None = None
    bars: Sequence[Mapping[str, Any]] = ()
    heat: Sequence[float] = ()
    picture: Picture | None = None


@dataclass(frozen=True)
class Neighbour:
    case: SimilarCase
    words: str
    picture: Picture | None
    values: Sequence[str]


@dataclass(frozen=True)
class Evidence:
    """`compared`: label and value, in this case, of the features shown with each similar case."""

    prediction: Prediction
    probabilities: Sequence[tuple[str, float]]
    shap: Shap
    similar: Sequence[Neighbour]
    compared: Sequence[tuple[str, str]]
    wanted: int = WANTED

    @property
    def is_scarce(self) -> bool:
        return len(self.similar) < self.wanted


def prediction_of(prediction_id: Any) -> Prediction | None:
    return Prediction.objects.select_related("model_version__bundle", "policy_version").filter(pk=prediction_id).first()


def evidence_on(case: Case, prediction: Prediction, *, features: Mapping[str, Any], display: Display) -> Evidence:
    """Prediction, explanation and similar cases of one prediction."""
    bundle = prediction.model_version.bundle
    classes = bundle.manifest["classes"] if bundle else case.stream.classes
    shap = shap_of(prediction, features=features, display=display)
    top = [bar["column"] for bar in shap.bars if bar.get("column")][:COMPARED]
    return Evidence(
        prediction=prediction,
        probabilities=list(zip(classes, prediction.probabilities, strict=True)),
        shap=shap,
        similar=_neighbours(case, prediction, display, top),
        compared=[(display.full_label(name), written(features.get(name)) or "missing") for name in top],
    )


def shap_of(prediction: Prediction, *, features: Mapping[str, Any], display: Display) -> Shap:
    """The prediction's explanation as bars, or why there is none."""
    if prediction.model_version.bundle_id is None:
        return Shap("none")
    explanation = Explanation.objects.filter(prediction=prediction).order_by("-created_at", "pk").first()
    if explanation is None:
        return Shap("pending")
    if explanation.state == Explanation.State.FAILED:
        return Shap("failed", explanation)
    picture = display.picture(features, "the case, for orientation")
    by_column = {entry["column"]: entry["attribution"] for entry in explanation.attributions}
    return Shap(
        "ready",
        explanation,
        bars=_bars(explanation.attributions, display),
        heat=[by_column.get(name, 0.0) for name in display.columns] if picture else (),
        picture=picture,
    )


def _bars(attributions: Sequence[Mapping[str, Any]], display: Display) -> list[dict[str, Any]]:
    """The largest attributions, and one bar for the rest, so that they add up to the output."""
    bars = [
        {
            "column": entry["column"],
            "label": display.full_label(entry["column"]),
            "value_text": written(entry["value"]) or "missing",
            "attribution": entry["attribution"],
        }
        for entry in attributions[:BARS]
    ]
    rest = attributions[BARS:]
    if rest:
        label = f"{len(rest)} other features" if len(rest) > 1 else display.full_label(rest[0]["column"])
        total = sum(entry["attribution"] for entry in rest)
        bars.append({"column": "", "label": label, "value_text": "", "attribution": total})
    return bars


def _neighbours(case: Case, prediction: Prediction, display: Display, top: Sequence[str]) -> list[Neighbour]:
    found = similar_cases(case, prediction)
    bundle = prediction.model_version.bundle
    if not found or bundle is None:
        return []
    words = inference_client.distances_in_words(bundle.manifest, [one.distance for one in found])
    return [
        Neighbour(
            case=one,
            words=said,
            picture=display.picture(one.features, f"similar case {one.external_id}, settled as {one.answer}"),
            values=[written(one.features.get(name)) or "missing" for name in top],
        )
        for one, said in zip(found, words, strict=True)
    ]
