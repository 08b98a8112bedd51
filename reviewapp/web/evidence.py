"""What the model has to say on a case: shown only where `permissions` allow it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reviewapp.cases.models import Case, Explanation, Prediction
from reviewapp.web.precedents import Precedents, Subject, precedents_on
from reviewapp.web.subjects import Display, Picture, written

BARS = 8
# Words of a text that have a bar of their own.
WORDS = 12
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
class Evidence:
    prediction: Prediction
    probabilities: Sequence[tuple[str, float]]
    shap: Shap
    similar: Precedents


def prediction_of(prediction_id: Any) -> Prediction | None:
    return Prediction.objects.select_related("model_version__bundle", "policy_version").filter(pk=prediction_id).first()


def evidence_on(case: Case, prediction: Prediction, *, features: Mapping[str, Any], display: Display) -> Evidence:
    """Prediction, explanation and similar cases of one prediction."""
    bundle = prediction.model_version.bundle
    classes = bundle.manifest["classes"] if bundle else case.stream.classes
    shap = shap_of(prediction, features=features, display=display)
    subject = Subject(case, prediction, features, display, top=compared_columns(shap))
    return Evidence(
        prediction=prediction,
        probabilities=list(zip(classes, prediction.probabilities, strict=True)),
        shap=shap,
        similar=precedents_on(subject),
    )


def compared_columns(shap: Shap) -> list[str]:
    """The columns that mattered most, whose values are set beside those of similar cases."""
    return [bar["column"] for bar in shap.bars if bar.get("column")][:COMPARED]


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
    bars: list[dict[str, Any]] = []
    for entry in attributions[:BARS]:
        told = entry.get("words") or ()
        bars.append(
            {
                "column": entry["column"],
                "label": display.full_label(entry["column"]),
                "value_text": "" if told else written(entry["value"]) or "missing",
                "attribution": entry["attribution"],
                "error": entry.get("error"),
            }
        )
        bars += _word_bars(told, entry)
    rest = attributions[BARS:]
    if rest:
        label = f"{len(rest)} other features" if len(rest) > 1 else display.full_label(rest[0]["column"])
        total = sum(entry["attribution"] for entry in rest)
        bars.append({"column": "", "label": label, "value_text": "", "attribution": total})
    return bars


def _word_bars(told: Sequence[Mapping[str, Any]], entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The words that make up a text's bar, below it, and what is left of the bar without them."""
    if not told:
        return []
    shown = [(f"“{one['word']}”", one["attribution"]) for one in told[:WORDS]]
    left = entry["attribution"] - sum(attribution for _, attribution in shown)
    return [
        {"column": "", "label": label, "value_text": "", "attribution": attribution, "is_part": True}
        for label, attribution in [*shown, ("everything else about it", left)]
    ]
