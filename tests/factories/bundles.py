"""A real bundle, trained once per run: parcels are intact or damaged, told by a dent and a tear."""

import json
import random
from collections.abc import Mapping
from functools import cache
from typing import Any

from reviewapp import inference_client
from reviewapp.registry.actions import versions
from reviewapp.registry.actors import SYSTEM
from reviewapp.registry.models import Bundle, ModelVersion, Stream

CLASSES = ("intact", "damaged")
CLEARLY_INTACT = {"dent": 1.0, "tear": 1.0}
CLEARLY_DAMAGED = {"dent": 9.0, "tear": 9.0}
UNCLEAR = {"dent": 5.0, "tear": 5.0}


@cache
def _files() -> Mapping[str, bytes]:
    from inference.manifest import Column
    from inference.training.tabular import Description, train_tabular

    draw = random.Random(0)
    rows = [(draw.uniform(0, 10), draw.uniform(0, 10)) for _ in range(300)]
    return train_tabular(
        {"dent": [dent for dent, _ in rows], "tear": [tear for _, tear in rows]},
        ["damaged" if dent + tear + draw.gauss(0, 1) > 10 else "intact" for dent, tear in rows],
        columns=[
            Column("dent", "float", minimum=0, maximum=10, unit="mm", description="Depth of the deepest dent."),
            Column("tear", "float", minimum=0, maximum=10, unit="mm", description="Length of the longest tear."),
        ],
        classes=CLASSES,
        about=Description(name="parcels", created="2026-01-01T00:00:00Z", owner="tests", licence="CC0-1.0"),
        trees={"n_estimators": 20},
    )


def files(name: str = "parcels") -> dict[str, bytes]:
    """The bundle's files; another name is another bundle that answers the same."""
    found = dict(_files())
    if name != "parcels":
        manifest = json.loads(found["bundle.json"])
        manifest["name"] = name
        found["bundle.json"] = json.dumps(manifest).encode()
    return found


def stored() -> None:
    """The bundle of the parcels, ready, in no stream yet unless one has it already."""
    digest, manifest = _checked()
    if not Bundle.objects.filter(digest=digest).exists():
        versions.store(files(), manifest, state=Bundle.State.READY)


@cache
def _checked() -> tuple[str, dict[str, Any]]:
    return inference_client.digest(_files()), inference_client.check_bundle(_files()).to_json()


def version(stream: Stream, name: str = "parcels") -> ModelVersion:
    """The bundle registered in a stream, with the contract it brings; not rolled out."""
    return versions.register_bundle(stream=stream, files=files(name), by=SYSTEM)


def primary(stream: Stream, name: str = "parcels") -> ModelVersion:
    """The bundle as the stream's primary."""
    registered = version(stream, name)
    versions.roll_out(primary=registered, by=SYSTEM)
    stream.refresh_from_db()
    return registered


def external_primary(stream: Stream, name: str = "upstream-model") -> ModelVersion:
    """A model that upstream runs, as the stream's primary."""
    registered = versions.register_external(stream=stream, name=name, by=SYSTEM)
    versions.roll_out(primary=registered, by=SYSTEM)
    stream.refresh_from_db()
    return registered
