"""Cases on their real way: intake, scoring, routing."""

from collections.abc import Mapping
from itertools import count
from typing import Any

from reviewapp.cases import submissions
from reviewapp.cases.actions import embedding, explaining, intake, scoring
from reviewapp.cases.models import Case
from reviewapp.cases.submissions import Submission
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.contracts import contract_of
from reviewapp.registry.models import Stream
from tests.factories import bundles

_numbers = count(1)


def submission(
    stream: Stream, external_id: str | None = None, features: Mapping[str, Any] | None = None, **body: Any
) -> Submission:
    """A parsed submission; without features one that the model finds unclear."""
    content = {
        "external_id": external_id or f"parcel-{next(_numbers)}",
        "features": dict(bundles.UNCLEAR if features is None else features),
        **body,
    }
    return submissions.parse(content, stream=stream, contract=contract_of(stream))


def received(stream: Stream, features: Mapping[str, Any] | None = None, **body: Any) -> Case:
    """A case that waits for its score."""
    (receipt,) = intake.receive(stream=stream, submissions=[submission(stream, features=features, **body)], by=SYSTEM)
    return Case.objects.select_related("stream").get(pk=receipt.case_id)


def score_all() -> None:
    while scoring.score_batch():
        pass


def explain_all() -> None:
    while explaining.explain_batch() or embedding.embed_batch():
        pass


def scored(stream: Stream, features: Mapping[str, Any] | None = None, **body: Any) -> Case:
    """A case that was scored and routed, with everything else that waited."""
    case = received(stream, features, **body)
    score_all()
    case.refresh_from_db()
    return case


def decided(stream: Stream, **body: Any) -> Case:
    """A case that the model decided alone: clearly intact, under a policy that lets it act."""
    case = scored(stream, bundles.CLEARLY_INTACT, **body)
    assert case.state == "decided", "the policy must let the model act"
    return case


def in_review(stream: Stream, **body: Any) -> Case:
    """A case that waits for a person."""
    case = scored(stream, bundles.UNCLEAR, **body)
    assert case.state == "in_review", "the policy must send unclear cases to people"
    return case


def external_prediction(*, model: str = "upstream-model", **probabilities: float) -> dict[str, Any]:
    """The `prediction` of a submission to a stream whose model upstream runs."""
    return {"model": model, "probabilities": probabilities}
