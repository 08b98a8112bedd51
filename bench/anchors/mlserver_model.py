"""What MLServer runs in its own environment: a graph under ONNX Runtime. Nothing of the product is imported here."""

from pathlib import Path

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, RequestInput

NUMBERS = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_}


class OnnxModel(MLModel):
    """Inputs and outputs by the graph's own names; one thread, as everywhere in the comparison."""

    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        content = Path(self.settings.parameters.uri).read_bytes()
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        wanted = [one.name for one in payload.outputs or []] or [one.name for one in self._session.get_outputs()]
        found = self._session.run(wanted, {one.name: _array(one) for one in payload.inputs})
        outputs = [NumpyCodec.encode_output(name, values) for name, values in zip(wanted, found, strict=True)]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)


def _array(one: RequestInput) -> np.ndarray:
    if one.datatype == "BYTES":
        return np.array(StringCodec.decode_input(one), dtype=object).reshape(one.shape)
    # A missing number is null on the way.
    return np.array(one.data.root, dtype=NUMBERS[one.datatype]).reshape(one.shape)
