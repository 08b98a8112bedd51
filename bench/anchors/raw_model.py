"""The model with nothing around it: ONNX Runtime on one thread, and the arrays it takes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from inference.model import Model


class RawModel:
    """One graph with one matrix of floats as its input."""

    def __init__(self, graph: bytes, *, columns: Sequence[str], output: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        (self._input,) = (item.name for item in self._session.get_inputs())
        self._columns = columns
        self._output = output

    @classmethod
    def of(cls, model: "Model") -> "RawModel":
        (item,) = model.manifest.inputs
        return cls(model.graph, columns=item.columns, output=model.manifest.probabilities_output)

    def matrix(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        return np.array([[row[name] for name in self._columns] for row in rows], dtype=np.float32)

    def run(self, matrix: Any) -> Any:
        """Probabilities, rows × classes."""
        return self._session.run([self._output], {self._input: matrix})[0]
