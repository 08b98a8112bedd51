"""The exports of other people's tools in `foreign/`, with what the models themselves answer."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference import foreign

FOLDER = Path(__file__).resolve().parent / "foreign"
NAMES = sorted(path.stem for path in FOLDER.glob("*.onnx"))
MLFLOW = FOLDER / "mlflow_lightgbm"


@dataclass(frozen=True)
class Export:
    """A graph, its small manifest, rows and the probabilities that the model's own library gave them."""

    graph: bytes
    manifest: dict[str, Any]
    rows: list[dict[str, Any]]
    probabilities: list[list[float]]

    def files(self, *, sample: bool = True, **changes: Any) -> dict[str, bytes]:
        """The upload; a change of None takes a field out of the manifest."""
        manifest = {key: value for key, value in {**self.manifest, **changes}.items() if value is not None}
        return foreign.export_of(
            self.graph,
            json.dumps(manifest).encode(),
            sample=json.dumps(self.rows).encode() if sample else b"",
            sample_name="rows.json",
        )


def export(name: str) -> Export:
    told = json.loads((FOLDER / f"{name}.json").read_text())
    return Export((FOLDER / f"{name}.onnx").read_bytes(), told["manifest"], told["rows"], told["probabilities"])
