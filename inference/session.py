"""The ONNX Runtime session: which provider runs it, on how many threads, and for how long at most."""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference import binding
from inference.refusal import BundleRefused
from inference.watchdog import watchdog

logger = logging.getLogger(__name__)

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
DEFAULT_TIMEOUT_S = 20.0
# An arena that doubles at every growth would soon hold the whole GPU, which several workers may share.
_OPTIONS: dict[str, Any] = {
    CUDA: (CUDA, {"arena_extend_strategy": "kSameAsRequested", "cudnn_conv_algo_search": "HEURISTIC"})
}


class RunTimedOut(RuntimeError):
    """The model ran longer than it may and was stopped."""


class ProviderUnavailable(RuntimeError):
    """The execution provider that was asked for does not work here."""


class Session:
    """A loaded graph with one provider, sequential execution and a watchdog on every run."""

    def __init__(self, content: bytes, *, threads: int = 1, providers: Sequence[str] | None = None) -> None:
        wanted = list(providers) if providers else [available_provider()]
        self._session = _create(content, threads=threads, providers=wanted)
        self.provider: str = self._session.get_providers()[0]
        # ONNX Runtime falls back to the CPU with no more than a warning.
        if self.provider != wanted[0]:
            if providers:
                raise ProviderUnavailable(f"{wanted[0]} was asked for, the session runs on {self.provider}.")
            logger.warning("session.provider_fell_back wanted=%s got=%s", wanted[0], self.provider)
        logger.info("session.created provider=%s threads=%d", self.provider, threads)

    def run(
        self,
        feeds: Mapping[str, NDArray[Any]],
        *,
        outputs: Sequence[str],
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> list[NDArray[Any]]:
        """Run one batch; raises RunTimedOut when it is not done in time."""
        import onnxruntime

        options = onnxruntime.RunOptions()
        try:
            with watchdog.watch(options, timeout_s=timeout_s):
                result = self._run(feeds, list(outputs), options)
        except Exception as error:
            if options.terminate:
                raise RunTimedOut(f"The model was stopped after {timeout_s:g} s.") from error
            raise
        return result

    def warm_up(self, feeds: Mapping[str, NDArray[Any]], *, outputs: Sequence[str]) -> None:
        """Plan every size of batch that will come; on the CPU there is nothing to plan."""
        if self._is_bound(feeds):
            binding.warm_up(self._session, feeds, outputs=outputs)

    def _run(self, feeds: Mapping[str, NDArray[Any]], outputs: list[str], options: Any) -> list[NDArray[Any]]:
        if self._is_bound(feeds):
            return binding.run_pinned(self._session, feeds, outputs=outputs, options=options)
        result: list[NDArray[Any]] = self._session.run(outputs, dict(feeds), options)
        return result

    def _is_bound(self, feeds: Mapping[str, NDArray[Any]]) -> bool:
        # Texts live in the CPU's memory whatever the provider.
        return self.provider != CPU and all(values.dtype != object for values in feeds.values())


@cache
def available_provider() -> str:
    """CUDA when it is present and runs a model, else the CPU."""
    import onnxruntime

    if CUDA not in onnxruntime.get_available_providers():
        return CPU
    try:
        onnxruntime.preload_dlls()  # CUDA's libraries as they come with the wheels of the group `gpu`
        session = _create(_probe(), threads=1, providers=[CUDA, CPU])
        if session.get_providers()[0] == CUDA:
            session.run(None, {"x": np.ones((1, 1), dtype=np.float32)})
            return CUDA
    except Exception:
        logger.warning("session.cuda_not_working", exc_info=True)
    return CPU


def _create(content: bytes, *, threads: int, providers: Sequence[str]) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    try:
        with tempfile.TemporaryDirectory(prefix="reviewapp-empty-") as empty:
            # Without this, references to other files are resolved from the current directory.
            options.add_session_config_entry("session.model_external_initializers_file_folder_path", f"{empty}/")
            return onnxruntime.InferenceSession(
                content, options, providers=[_OPTIONS.get(one, one) for one in providers]
            )
    except _load_errors() as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise BundleRefused("model_unloadable", f"model.onnx does not load in ONNX Runtime ({reason}).") from error


@cache
def _load_errors() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = (
        "Fail",
        "InvalidArgument",
        "InvalidGraph",
        "InvalidProtobuf",
        "NotImplemented",
        "RuntimeException",
        "NoSuchFile",
    )
    return tuple(getattr(state, name) for name in names if hasattr(state, name))


def _probe() -> bytes:
    from onnx import TensorProto, helper

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "probe", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content
