"""A second real model for the parcels that looks at the dent alone, and what a rollout needs besides."""

import random
from collections.abc import Mapping
from functools import cache

from reviewapp.cases.actions import scoring, shadowing
from reviewapp.cases.models import CaseInput
from reviewapp.registry.actions import versions
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import ModelVersion, Stream
from tests.factories import bundles

# The rival calls it intact, the first model damaged: the tear alone gives it away.
TORN = {"dent": 1.0, "tear": 9.9}


@cache
def _files() -> Mapping[str, bytes]:
    from inference.manifest import Column
    from inference.training.tabular import Description, train_tabular

    draw = random.Random(1)
    rows = [(draw.uniform(0, 10), draw.uniform(0, 10)) for _ in range(300)]
    return train_tabular(
        {"dent": [dent for dent, _ in rows], "tear": [tear for _, tear in rows]},
        ["damaged" if dent + draw.gauss(0, 0.5) > 5 else "intact" for dent, _ in rows],
        columns=[
            Column("dent", "float", minimum=0, maximum=10, unit="mm", description="Depth of the deepest dent."),
            Column("tear", "float", minimum=0, maximum=10, unit="mm", description="Length of the longest tear."),
        ],
        classes=bundles.CLASSES,
        about=Description(name="dents", created="2026-01-02T00:00:00Z", owner="tests", licence="CC0-1.0"),
        trees={"n_estimators": 20},
    )


def version(stream: Stream) -> ModelVersion:
    """The rival registered in a stream; not rolled out."""
    return versions.register_bundle(stream=stream, files=dict(_files()), by=SYSTEM)


def shadow_all() -> None:
    """Everything scored, and seen by the shadows."""
    while scoring.score_batch() or shadowing.shadow_batch():
        pass


def poison_for_all(case_id: object) -> None:
    """Make a stored input something no model can read."""
    CaseInput.objects.filter(case=case_id).update(features={"dent": {"not": "a number"}, "tear": 1.0})
