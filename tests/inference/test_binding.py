"""Pinned batch sizes and bound inputs and outputs, on the one device that every machine has."""

import numpy as np
import onnxruntime
import pytest

from inference import binding
from inference.session import CPU, Session
from tests.inference import onnx_files

OUTPUTS = ["probabilities"]


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(onnx_files.linear_model().SerializeToString(), providers=[CPU])


def feeds(rows: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(rows).normal(size=(rows, 3))
    return {"numbers": draw.astype(np.float32)}


@pytest.mark.parametrize("rows", [1, 2, 8, 9, 128, 511, 512, 513, 1500])
def test_every_number_of_rows_is_answered_as_without_binding(session: onnxruntime.InferenceSession, rows: int) -> None:
    given = feeds(rows)

    (bound,) = binding.run_pinned(session, given, outputs=OUTPUTS, options=onnxruntime.RunOptions())

    np.testing.assert_array_equal(bound, session.run(OUTPUTS, given)[0])


def test_only_pinned_sizes_reach_the_device(session: onnxruntime.InferenceSession) -> None:
    seen: list[int] = []

    class Watched:
        def io_binding(self) -> onnxruntime.IOBinding:
            bound = session.io_binding()
            bind = bound.bind_cpu_input
            bound.bind_cpu_input = lambda name, values: (seen.append(len(values)), bind(name, values))
            return bound

        run_with_iobinding = session.run_with_iobinding

    for rows in (3, 40, 700):
        binding.run_pinned(Watched(), feeds(rows), outputs=OUTPUTS, options=None)
    binding.warm_up(Watched(), feeds(2), outputs=OUTPUTS)

    assert seen == [8, 128, 512, 512, *binding.SIZES]


def test_a_session_on_another_provider_binds_and_answers_alike(session: onnxruntime.InferenceSession) -> None:
    bound = Session(onnx_files.linear_model().SerializeToString(), providers=[CPU])
    bound.provider = "CUDAExecutionProvider"  # the session itself stays where it is

    given = feeds(20)
    bound.warm_up(given, outputs=OUTPUTS)

    np.testing.assert_array_equal(bound.run(given, outputs=OUTPUTS)[0], session.run(OUTPUTS, given)[0])
