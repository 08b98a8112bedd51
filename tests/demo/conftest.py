from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reviewapp.monitoring.demo import people, streams
from reviewapp.monitoring.demo.keepsakes import Keepsakes
from reviewapp.monitoring.demo.people import Person
from reviewapp.monitoring.demo.plans import Plan
from reviewapp.registry.actions.streams import default_team
from reviewapp.registry.models import Stream
from tests.factories import bundles

PARCELS = Plan(
    slug="parcel-check",
    name="Parcel check",
    description="Is the parcel damaged?",
    classes=bundles.CLASSES,
    review_mode=Stream.Mode.COMMIT_THEN_REVEAL,
    blind_share=0.1,
    sla=timedelta(hours=1),
    guideline="Look at the tear first.",
    policy={"thresholds": dict.fromkeys(bundles.CLASSES, 0.9), "audit_rates": dict.fromkeys(bundles.CLASSES, 1.0)},
    policy_note="Everything automatic is audited.",
    display=lambda columns: {"kind": "facts", "columns": [column.name for column in columns]},
)


@pytest.fixture
def kept(tmp_path: Path) -> Keepsakes:
    return Keepsakes(tmp_path / "demo.json")


@pytest.fixture
def cast(db: Any, kept: Keepsakes) -> Mapping[str, Person]:
    return people.ensure(default_team(), kept)


@pytest.fixture(scope="session", autouse=True)
def _trained() -> None:
    """Before any test has a transaction open that would idle meanwhile."""
    bundles.files()


@pytest.fixture
def parcels(cast: Mapping[str, Person]) -> Stream:
    """A small demo stream, opened as the real ones are."""
    return streams.ensure(PARCELS, team=default_team(), people=cast, train=bundles.files)
