"""Where a graph's score is made: the tree ensembles and linear layers whose sum the probabilities follow from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inference import graph, trees
from inference.refusal import BundleRefused
from inference.session import Session

if TYPE_CHECKING:
    from onnx import NodeProto

LINEAR = ("LinearClassifier", "LinearRegressor", "Gemm", "MatMul")
MAX_BETWEEN = 400


class NotAdditive(ValueError):
    """The probabilities do not follow from a sum of trees and linear layers."""


@dataclass(frozen=True)
class Part:
    """One ensemble or linear layer: the tensor it reads, and the one that holds its scores."""

    node: "NodeProto"
    features: str
    score: str

    @property
    def is_transformed(self) -> bool:
        """Whether the node itself turns its scores into probabilities."""
        found = trees.attributes_of(self.node).get("post_transform", b"NONE")
        return found not in {b"NONE", 0}


class ScoreGraph:
    """A parsed model.onnx with its constants, from which pieces are cut and run."""

    def __init__(self, content: bytes, *, threads: int, provider: str) -> None:
        from onnx import numpy_helper

        self.model = graph.parse(content)
        self._threads, self._provider = threads, provider
        self.producer: dict[str, NodeProto] = {
            name: node for node in self.model.graph.node for name in node.output if name
        }
        self.constants: dict[str, NDArray[Any]] = {
            item.name: numpy_helper.to_array(item) for item in self.model.graph.initializer
        }
        for node in self.model.graph.node:
            if node.op_type == "Constant":
                found = trees.attributes_of(node)
                value = next((found[name] for name in found if name.startswith("value")), None)
                self.constants[node.output[0]] = np.asarray(value)
        self.inputs = {item.name for item in self.model.graph.input} - set(self.constants)

    def parts(self, last: str, *, passed: Iterable[str] = ()) -> list[Part]:
        """The ensembles and linear layers that `last` is made of; `passed` names scores to look behind."""
        found: dict[str, Part] = {}
        for name in self._upstream(last, stop=lambda node: self._is_part(node) and node.output[-1] not in passed):
            if name in self.inputs:
                raise NotAdditive("The probabilities depend on inputs otherwise than through trees or a linear layer.")
            node = self.producer.get(name)
            if node is not None and self._is_part(node) and node.output[-1] not in passed:
                if name != node.output[-1]:
                    raise NotAdditive("The probabilities depend on a label that the model chose.")
                found[name] = Part(node, node.input[0], name)
        if not found:
            raise NotAdditive("The probabilities come from no tree ensemble and no linear layer.")
        return list(found.values())

    def has_part_before(self, part: Part) -> bool:
        """Whether what a part reads was itself made by an ensemble or a linear layer."""
        nodes = [self.producer.get(name) for name in self.upstream(part.features)]
        return any(self._is_part(node) for node in nodes if node is not None)

    def _is_part(self, node: "NodeProto") -> bool:
        if node.op_type in {"Gemm", "MatMul"}:
            return node.input[1] in self.constants and node.input[0] not in self.constants
        return node.op_type in trees.OPERATORS or node.op_type in LINEAR

    def upstream(self, last: str) -> set[str]:
        """Everything that `last` is computed from, itself included."""
        return set(self._upstream(last, stop=lambda _: False))

    def _upstream(self, last: str, *, stop: Any) -> list[str]:
        """Tensors that lead to `last`, itself first, none behind a node where `stop` says so."""
        seen, waiting = dict[str, None](), [last]
        while waiting:
            name = waiting.pop()
            if name in seen or name in self.constants:
                continue
            seen[name] = None
            node = self.producer.get(name)
            if node is not None and not stop(node):
                waiting += [item for item in node.input if item]
        return list(seen)

    def narrows(self, last: str, starts: Sequence[str]) -> list[str]:
        """Tensors that everything from `starts` to `last` has to pass, the last one first."""
        between = self._upstream(last, stop=lambda node: node.output[-1] in starts)
        if len(between) > MAX_BETWEEN:
            raise NotAdditive("The graph between the scores and the probabilities is too large to read.")
        order = {name: place for place, node in enumerate(self.model.graph.node) for name in node.output}

        def is_needed(name: str) -> bool:
            left = self._upstream(last, stop=lambda node: node.output[-1] in starts or name in node.output)
            return name == last or not any(start in left for start in starts if start != name)

        return sorted(filter(is_needed, between), key=lambda name: -order.get(name, -1))

    def session(self, outputs: Sequence[str], *, given: Mapping[str, int] | None = None, raw: str = "") -> Session:
        """A session for a piece of the graph. `given`: tensors that are fed, with their widths; they need not be

        computed. `raw`: the node with this score answers without its transform.
        """
        import onnx
        from onnx import TensorProto, helper

        given = given or {}
        needed = {id(node) for name in self._within(outputs, given) if (node := self.producer.get(name)) is not None}
        piece = onnx.ModelProto()
        piece.CopyFrom(self.model)
        kept = [copy for copy, node in zip(piece.graph.node, self.model.graph.node, strict=True) if id(node) in needed]
        nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
        for node in nodes:
            if raw and raw in node.output:
                _without_transform(node)
        del piece.graph.node[:], piece.graph.output[:], piece.graph.value_info[:]
        piece.graph.node.extend(nodes)
        if given:
            del piece.graph.input[:]
            piece.graph.input.extend(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width]) for name, width in given.items()
            )
        # Outputs that are inputs themselves, and types that only the runtime knows, both need a name of their own.
        for name in outputs:
            piece.graph.node.append(helper.make_node("Identity", [name], [f"reviewapp_{name}"]))
            piece.graph.output.append(onnx.ValueInfoProto(name=f"reviewapp_{name}"))
        try:
            return Session(piece.SerializeToString(), threads=self._threads, providers=[self._provider])
        except BundleRefused as error:
            raise NotAdditive(f"A piece of the graph cannot be run by itself: {error}") from error

    def _within(self, outputs: Sequence[str], given: Mapping[str, int]) -> set[str]:
        found = set[str]()
        waiting = list(outputs)
        while waiting:
            name = waiting.pop()
            if name not in found and name not in given:
                found.add(name)
                node = self.producer.get(name)
                waiting += [item for item in node.input if item] if node is not None else []
        return found


def run(session: Session, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> list[NDArray[Any]]:
    """The tensors that a piece was cut for."""
    return session.run(feeds, outputs=[f"reviewapp_{name}" for name in outputs])


def _without_transform(node: "NodeProto") -> None:
    for attribute in node.attribute:
        if attribute.name == "post_transform":
            if attribute.type == attribute.STRING:
                attribute.s = b"NONE"
            else:
                attribute.i = 0


def columns(tensor: NDArray[Any]) -> NDArray[np.float64]:
    """A tensor of scores as rows × columns."""
    return np.asarray(tensor, dtype=np.float64).reshape(len(tensor), -1)


def affine(
    scores: "ScoreGraph", target: str, starts: Mapping[str, int], *, samples: Mapping[str, NDArray[Any]]
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]] | None:
    """`target` as constant + Σ start · matrix, or None when it is nothing like that.

    Found by asking the graph for every unit vector, checked on the samples and on sums and multiples of them.
    """
    widths = list(starts.values())
    units = np.eye(sum(widths), dtype=np.float32)
    sampled = np.concatenate([columns(samples[name]) for name in starts], axis=1).astype(np.float32)
    spread = np.concatenate([sampled, -0.5 * sampled, sampled + sampled[::-1]])
    asked = np.concatenate([np.zeros((1, sum(widths)), dtype=np.float32), units, spread])
    feeds = dict(zip(starts, np.split(asked, np.cumsum(widths)[:-1], axis=1), strict=True))
    feeds = {name: np.ascontiguousarray(value) for name, value in feeds.items()}
    try:
        (answer,) = run(scores.session([target], given=starts), feeds, [target])
    except Exception:  # noqa: BLE001 the runtime raises types of its own; a shape that does not fit is an answer, too
        return None
    if len(answer) != len(asked) or answer.dtype.kind != "f":
        return None
    found = columns(answer)
    constant, matrix = found[0], found[1 : 1 + len(units)] - found[0]
    expected = constant + spread.astype(np.float64) @ matrix
    difference = np.abs(expected - found[1 + len(units) :]).max()
    if not difference <= 1e-5 * max(1.0, float(np.abs(expected).max())):
        return None
    return constant, dict(zip(starts, np.split(matrix, np.cumsum(widths)[:-1]), strict=True))
