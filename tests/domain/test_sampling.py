from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.domain.policy import AuditRule
from reviewapp.domain.sampling import Coins, draw, draw_second, rate_of_day

KEY = b"a key of the server"
NUM_DRAWN = 20_000


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    """Coins of many cases whose ids follow one another, as ids drawn in one batch do; shape (n, 3)."""
    coins = (draw(KEY, UUID(int=number)) for number in range(NUM_DRAWN))
    return np.array([(coin.audit, coin.rollout, coin.half) for coin in coins])


@given(key=st.binary(min_size=1, max_size=100), case_id=st.uuids())
def test_a_coin_lies_in_the_half_open_interval_and_is_the_same_again(key: bytes, case_id: UUID) -> None:
    coins = draw(key, case_id)

    assert all(0.0 <= coin < 1.0 for coin in (coins.audit, coins.rollout, coins.half))
    assert draw(key, case_id) == coins


def test_the_largest_digest_does_not_round_up_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class AllOnes:
        def __init__(self, *_: object, **__: object) -> None: ...

        def digest(self) -> bytes:
            return b"\xff" * 8

    monkeypatch.setattr("reviewapp.domain.sampling.hashlib.blake2b", AllOnes)

    assert draw(KEY, uuid4()).audit < 1.0


@pytest.mark.parametrize("column", [0, 1, 2])
def test_coins_are_uniform(drawn: np.ndarray, column: int) -> None:
    values = np.sort(drawn[:, column])
    grid = (np.arange(NUM_DRAWN) + 0.5) / NUM_DRAWN

    distance = np.abs(values - grid).max()

    # Kolmogorov–Smirnov at 1 in 1,000; the ids are fixed, so this cannot fail by chance.
    assert distance < 1.95 / np.sqrt(NUM_DRAWN)


def test_the_three_coins_of_a_case_are_independent(drawn: np.ndarray) -> None:
    correlations = np.corrcoef(drawn, rowvar=False)[np.triu_indices(3, 1)]

    assert np.abs(correlations).max() < 4 / np.sqrt(NUM_DRAWN)


def test_coins_of_neighbouring_ids_are_independent(drawn: np.ndarray) -> None:
    audit = drawn[:, 0]

    assert abs(np.corrcoef(audit[1:], audit[:-1])[0, 1]) < 4 / np.sqrt(NUM_DRAWN)


def test_another_key_draws_other_coins() -> None:
    case_id = UUID(int=7)

    assert draw(KEY, case_id) != draw(b"another key", case_id)


def test_a_known_case_keeps_its_coins_over_releases() -> None:
    """Stored coins are checked against the key later: the way they are drawn must never change."""
    assert draw(b"k", UUID("01890000-0000-7000-8000-000000000000")) == Coins(
        audit=0.07367026449685188, rollout=0.7097116841976449, half=0.8708993197520875
    )


def test_the_second_readings_coin_is_independent_of_the_audits() -> None:
    ids = [UUID(int=number) for number in range(NUM_DRAWN)]
    audits = np.array([draw(KEY, one).audit for one in ids])
    seconds = np.array([draw_second(KEY, one) for one in ids])

    assert abs(np.corrcoef(audits, seconds)[0, 1]) < 0.03
    assert abs(seconds[audits < 0.05].mean() - 0.5) < 0.05


@pytest.mark.parametrize(
    ("automatic_per_day", "rule", "doubts", "expected"),
    [
        (0.0, AuditRule(), False, 1.0),
        (10.0, AuditRule(), False, 1.0),
        (100.0, AuditRule(), False, 0.2),
        (100_000.0, AuditRule(), False, 0.03),
        (100_000.0, AuditRule(floor=0.001), False, 0.001),
        (10.0, AuditRule(ceiling=0.4), False, 0.4),
        (100_000.0, AuditRule(), True, 0.15),
        (100.0, AuditRule(), True, 1.0),
        (100.0, AuditRule(ceiling=0.5), True, 0.5),
        (0.0, AuditRule(ceiling=0.5), True, 0.5),
    ],
)
def test_the_rate_of_a_day_brings_the_audits_expected_between_floor_and_ceiling(
    automatic_per_day: float, rule: AuditRule, doubts: bool, expected: float
) -> None:
    assert rate_of_day(automatic_per_day=automatic_per_day, rule=rule, doubts=doubts) == pytest.approx(expected)
