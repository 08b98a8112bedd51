"""Reading requests of every kind of input, and what is scored together."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from inference.model import Model
from inference.remote import _tensor
from inference.serve.answers import Answers, Found
from inference.serve.refused import Refused
from inference.serve.scorer import Batch, Scorer
from inference.serve.served import ServedModel
from inference.session import RunTimedOut
from inference.training.demo import TrainedDemo
from tests.inference import pipelines
from tests.inference.pipelines import Piped


@pytest.fixture(scope="module")
def people() -> Piped:
    return pipelines.of_people(LogisticRegression())


@pytest.fixture(scope="module")
def served(people: Piped) -> ServedModel:
    return ServedModel(Answers(people.loaded), name="people", version="1", max_rows=10)


def body(feeds: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"inputs": [_tensor(name, values) for name, values in feeds.items()]})


def test_numbers_and_words_arrive_as_a_worker_makes_them(people: Piped, served: ServedModel) -> None:
    feeds = people.loaded.decoder.feeds(people.rows)

    asked = served.read(body(feeds))

    assert asked.rows == len(people.rows)
    assert {name: values.dtype for name, values in asked.feeds.items()} == {"numbers": np.float32, "words": object}
    for name, values in feeds.items():
        np.testing.assert_array_equal(asked.feeds[name], values)
    assert served.metadata()["inputs"][1] == {"name": "words", "datatype": "BYTES", "shape": [-1, 2]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"words": np.array([["north", "gold"]], dtype=object)}, "as many rows as `numbers`, which has 2"),
        ({"words": np.array([["north", 7]] * 2, dtype=object)}, "`words` must list texts: Expected `str`, got `int`"),
        ({"numbers": np.array([[0.0, np.nan, 0.0]] * 2, dtype=np.float32)}, "Column `income` is missing in row 0"),
        ({"numbers": np.zeros((11, 3), dtype=np.float32)}, "send at most 10"),
        ({"others": np.zeros((2, 3), dtype=np.float32)}, r"`words` \(BYTES \[rows, 2\]\)"),
    ],
)
def test_what_does_not_fit_is_named(people: Piped, served: ServedModel, change: dict[str, Any], said: str) -> None:
    feeds = people.loaded.decoder.feeds(people.rows[:2])

    with pytest.raises(Refused, match=said):
        served.read(body({**feeds, **change}))


def scored(model: Model, requests: Sequence[Any], *, timeout_s: float = 20.0) -> tuple[list[Found | Exception], int]:
    """The results of requests that came in one turn of the loop, and in how many runs they were made."""

    async def ask() -> tuple[list[Found | Exception], int]:
        scorer = Scorer(Answers(model), batch_rows=256, timeout_s=timeout_s)
        found: list[asyncio.Future[Found | Exception]] = []
        for feeds in requests:
            told = asyncio.get_running_loop().create_future()
            rows = len(next(iter(feeds.values())))
            scorer.submit(Batch(feeds, rows, ("confidence", "novelty"), told.set_result))
            found.append(told)
        results = await asyncio.gather(*found)
        assert scorer.waiting_rows == 0
        scorer.close()
        return results, scorer.tally.runs

    return asyncio.run(ask())


def test_what_comes_together_or_while_the_model_is_busy_is_one_run(tumour_model: Model, tumours: TrainedDemo) -> None:
    feeds = tumour_model.decoder.feeds(tumours.stream_rows[:40])
    large = {name: np.resize(values, (4096, values.shape[1])) for name, values in feeds.items()}
    small = [{name: values[row : row + 1] for name, values in feeds.items()} for row in range(40)]

    results, runs = scored(tumour_model, [large, *small])

    assert runs == 2
    whole = results[0]
    assert isinstance(whole, dict)
    for row, result in enumerate(results[1:]):
        assert isinstance(result, dict)
        for name in ("confidence", "novelty"):
            assert result[name].shape == (1,)
            assert result[name][0] == pytest.approx(whole[name][row], abs=1e-6)


def test_a_run_beyond_its_time_is_told_and_the_next_goes_on(tumour_model: Model, tumours: TrainedDemo) -> None:
    feeds = tumour_model.decoder.feeds(tumours.stream_rows[:2])
    large = {name: np.resize(values, (50_000, values.shape[1])) for name, values in feeds.items()}

    results, _ = scored(tumour_model, [large, feeds], timeout_s=0.05)

    assert isinstance(results[0], RunTimedOut)
    assert isinstance(results[1], dict)
