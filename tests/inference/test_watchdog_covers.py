"""Every run of a model is watched, whoever asks for it: scoring, explaining, placing a case among others."""

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from inference import conversion, explain, model, predict, session
from inference.model import Model
from tests.inference.exports import Export, export

SOURCE = Path(session.__file__).parent
# Where a session is made and run; `binding` is called by `session` alone.
DOORS = {"session.py", "binding.py"}


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the blocks that the watchdog guards, and the runs of ONNX Runtime in and outside of them."""
    import onnxruntime

    counts: Counter[str] = Counter()
    watch, plain = session.watchdog.watch, onnxruntime.InferenceSession.run

    @contextmanager
    def counting(options: Any, *, timeout_s: float) -> Iterator[None]:
        assert timeout_s <= session.DEFAULT_TIMEOUT_S
        with watch(options, timeout_s=timeout_s):
            counts["open"] += 1
            try:
                yield
            finally:
                counts["open"] -= 1

    def run(self: Any, *args: Any) -> Any:
        counts["watched" if counts["open"] and args[-1] is not None else "unwatched"] += 1
        return plain(self, *args)

    monkeypatch.setattr(session.watchdog, "watch", counting)
    monkeypatch.setattr(onnxruntime.InferenceSession, "run", run)
    return counts


def score(loaded: Model, given: Export) -> object:
    return predict.predict(loaded, given.rows)


def explained(loaded: Model, given: Export) -> object:
    return explain.explain(loaded, given.rows[:2], classes=[loaded.manifest.classes[0]] * 2)


def place(loaded: Model, given: Export) -> object:
    return loaded.vectors(loaded.decoder.feeds(given.rows))


@pytest.mark.parametrize("name", ["xgboost_multiclass", "sklearn_mixed_zipmap", "torch_logits"])
@pytest.mark.parametrize("work", [score, explained])
def test_scoring_and_explaining_run_under_the_watchdog(
    name: str, work: Callable[[Model, Export], object], watched: Counter[str]
) -> None:
    given = export(name)
    loaded = model.load(conversion.convert(given.files()))
    watched.clear()

    work(loaded, given)

    assert watched["watched"] > 0
    assert watched["unwatched"] == 0


def test_placing_a_case_by_the_models_own_vectors_runs_under_the_watchdog(watched: Counter[str]) -> None:
    given = export("torch_logits")
    outputs = {"probabilities": "linear_1", "embedding": "linear_1"}
    loaded = model.load(conversion.convert(given.files(outputs=outputs)))
    watched.clear()

    place(loaded, given)

    assert watched == {"watched": 1, "open": 0}


def test_nothing_runs_a_model_but_the_session() -> None:
    callers = {
        path.name
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"InferenceSession", "run_with_iobinding"}
    }

    assert callers <= DOORS
