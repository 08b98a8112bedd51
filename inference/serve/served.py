"""The protocol's words for one model: its metadata, its requests and its answers."""

from dataclasses import dataclass
from typing import Any

import msgspec

from inference.decode import Feeds
from inference.serve.answers import Answers, Found
from inference.serve.refused import Refused
from inference.serve.tensors import Reader, Sent, written

PLATFORM = "onnxruntime_onnx"


class _Named(msgspec.Struct):
    name: str


class _Request(msgspec.Struct):
    inputs: list[Sent]
    outputs: list[_Named] = []
    id: str = ""


class _Answer(msgspec.Struct, omit_defaults=True):
    model_name: str
    model_version: str
    outputs: list[dict[str, Any]]
    id: str = ""


@dataclass(slots=True)
class Asked:
    """A request for scores, read and found right."""

    id: str
    feeds: Feeds
    rows: int
    outputs: tuple[str, ...]


class ServedModel:
    """One model under the name and version that requests have in their path."""

    def __init__(self, answers: Answers, *, name: str, version: str, max_rows: int) -> None:
        manifest = answers.model.manifest
        self.name, self.version = name, version
        self._answers = answers
        self._max_rows = max_rows
        self._readers = {item.name: Reader(item, manifest) for item in manifest.inputs}
        self._request = msgspec.json.Decoder(_Request)
        self._encode = msgspec.json.Encoder().encode

    def metadata(self) -> dict[str, Any]:
        model = self._answers.model
        return {
            "name": self.name,
            "versions": [self.version],
            "platform": PLATFORM,
            "inputs": [reader.tensor.to_json() for reader in self._readers.values()],
            "outputs": [one.to_json() for one in self._answers.tensors.values()],
            "parameters": {
                "digest": model.digest,
                "classes": list(model.manifest.classes),
                "provider": model.provider,
            },
        }

    def read(self, body: bytes) -> Asked:
        """A request's body, checked against the model. Raises Refused."""
        try:
            request = self._request.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(400, f"The request cannot be read as the protocol's JSON: {error}.") from error
        sent = {one.name: one for one in request.inputs}
        if len(sent) != len(request.inputs) or sent.keys() != self._readers.keys():
            raise Refused(400, f"The request must have each of these inputs once, and no other: {self._expected()}.")
        feeds = {name: reader.read(sent[name], max_rows=self._max_rows) for name, reader in self._readers.items()}
        rows = len(feeds[request.inputs[0].name])
        if any(len(values) != rows for values in feeds.values()):
            raise Refused(400, f"Every input must have as many rows as `{request.inputs[0].name}`, which has {rows}.")
        return Asked(request.id, feeds, rows, self._outputs(request))

    def write(self, asked: Asked, found: Found) -> bytes:
        """The answer's body."""
        outputs = [written(name, found[name]) for name in asked.outputs]
        return self._encode(_Answer(self.name, self.version, outputs, asked.id))

    def _outputs(self, request: _Request) -> tuple[str, ...]:
        known = self._answers.tensors
        for one in request.outputs:
            if one.name not in known:
                raise Refused(400, f"The model has no output `{one.name[:80]}`; it has {', '.join(known)}.")
        return tuple(one.name for one in request.outputs) or tuple(known)

    def _expected(self) -> str:
        return ", ".join(
            f"`{one.tensor.name}` ({one.tensor.datatype} [rows, {one.tensor.shape[1]}])"
            for one in self._readers.values()
        )
