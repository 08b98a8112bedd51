from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from inference.training.demo import DemoRows
from reviewapp import inference_client
from reviewapp.gating.models import Certificate, LabelledHistory
from reviewapp.monitoring.demo import exam, streams
from reviewapp.monitoring.demo.people import Person
from reviewapp.registry.actions.streams import default_team
from reviewapp.registry.models import Stream
from tests.demo.conftest import PARCELS
from tests.factories import bundles

ROWS = DemoRows(
    rows=[bundles.CLEARLY_INTACT] * 60 + [bundles.CLEARLY_DAMAGED] * 10,
    labels=["intact"] * 60 + ["damaged"] * 10,
    ids=[f"parcel-{number}" for number in range(70)],
)


@pytest.fixture
def promised(cast: Mapping[str, Person]) -> Stream:
    """A stream whose classes act alone by what they have earned."""
    promise = {"target_error": 0.08, "confidence": 0.95}
    plan = replace(PARCELS, policy={"promises": dict.fromkeys(bundles.CLASSES, promise)})
    return streams.ensure(plan, team=default_team(), people=cast, train=bundles.files)


def _kept_for_exam(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    plain = inference_client.manifest

    def manifest(content: Mapping[str, Any]) -> Any:
        return plain({**content, "lineage": {**content.get("lineage", {}), "kept_for_exam": number}})

    monkeypatch.setattr(inference_client, "manifest", manifest)
    monkeypatch.setattr(inference_client, "demo_exam", lambda slug: ROWS)


def test_rows_that_the_model_never_saw_certify_what_they_can(
    promised: Stream, cast: Mapping[str, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    _kept_for_exam(monkeypatch, len(ROWS.ids))

    exam.ensure(promised, by=cast["model_owner"])

    history = LabelledHistory.objects.get()
    assert (history.num_rows, history.drawn) == (70, "random")
    assert history.created_by == str(cast["model_owner"].actor)
    assert dict(Certificate.objects.values_list("scope", "state")) == {"intact": "certified", "damaged": "unproven"}


def test_a_model_that_may_have_learnt_from_the_rows_is_left_alone(
    promised: Stream, cast: Mapping[str, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    _kept_for_exam(monkeypatch, 0)

    exam.ensure(promised, by=cast["model_owner"])

    assert not LabelledHistory.objects.exists()
