"""What one served model can be asked for: the graph's own outputs, and what is worked out from them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.decode import Feeds
from inference.model import Model
from inference.serve.tensors import Tensor
from inference.session import DEFAULT_TIMEOUT_S

Found = dict[str, NDArray[Any]]

PREDICTED, CONFIDENCE, NOVELTY = "predicted", "confidence", "novelty"


class Answers:
    """The outputs of one model; the graph's values are passed on as they are, so that another reads the very same."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._probabilities = model.manifest.probabilities_output
        self._embedding = model.manifest.outputs.get("embedding") if model.space.takes_given else None
        self._classes = np.array(model.manifest.classes, dtype=np.object_)
        graph = {one.name: one for one in self._of_the_graph()}
        # Where the graph has an output of the same name, that one is meant.
        self.tensors = {**graph, **{one.name: one for one in _DERIVED if one.name not in graph}}

    def _graph_outputs(self) -> list[str]:
        return [self._probabilities, *([self._embedding] if self._embedding else [])]

    def _of_the_graph(self) -> list[Tensor]:
        """Read off a run over two known rows, which also sees every output work before the first request."""
        model = self.model
        feeds = model.decoder.feeds_from_table({name: values[:2] for name, values in model.background.items()})
        names = self._graph_outputs()
        found = model.session.run(feeds, outputs=names)
        return [
            Tensor(name, f"FP{values.dtype.itemsize * 8}", (-1, *values.shape[1:]))
            for name, values in zip(names, found, strict=True)
        ]

    def compute(self, feeds: Feeds, wanted: Sequence[str], *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Found:
        """The wanted outputs for these rows, in one run of the graph; raises OutputInvalid and RunTimedOut."""
        names = [self._probabilities]
        if self._embedding and (self._embedding in wanted or NOVELTY in wanted):
            names.append(self._embedding)
        found = dict(zip(names, self.model.session.run(feeds, outputs=names, timeout_s=timeout_s), strict=True))
        probabilities = self.model.checked(found[self._probabilities], feeds)
        if CONFIDENCE in wanted and CONFIDENCE not in found:
            found[CONFIDENCE] = probabilities.max(axis=1)
        if PREDICTED in wanted and PREDICTED not in found:
            found[PREDICTED] = self._classes[probabilities.argmax(axis=1)]
        if NOVELTY in wanted and NOVELTY not in found:
            given = found[self._embedding] if self._embedding else None
            found[NOVELTY] = self.model.novelty.share_stranger(self.model.space.embed(feeds, given))
        return found


_DERIVED = (
    Tensor(PREDICTED, "BYTES", (-1,)),
    Tensor(CONFIDENCE, "FP64", (-1,)),
    Tensor(NOVELTY, "FP64", (-1,)),
)
