"""Promises beyond the error rate: pure figures."""

import random

import pytest

from reviewapp.domain import exact
from reviewapp.domain.policy import Policy, Value
from reviewapp.gating import parity
from reviewapp.gating.parity import Audit, Harm, Keeping


def audits(
    right: int,
    wrong: int = 0,
    *,
    segment: str = "",
    answer: str = "intact",
    probability: float = 0.1,
    value: float = 50,
) -> list[Audit]:
    return [Audit(answer, segment, number >= right, probability, value) for number in range(right + wrong)]


def test_every_segment_has_the_same_figures_beside_one_another() -> None:
    found = parity.table(
        [*audits(95, 5, segment="north"), *audits(20, segment="south")],
        {("intact", "north"): 1000, ("intact", "south"): 180, ("intact", "west"): 7},
    )

    north, south, west = found
    assert [one.segment for one in found] == ["north", "south", "west"]
    assert (north.automatic, north.audits, north.wrong, north.estimate) == (1000, 100, 5, 0.05)
    assert (north.low, north.high) == (
        exact.lower_bound(wrong=5, audits=100, confidence=0.975),
        exact.upper_bound(wrong=5, audits=100, confidence=0.975),
    )
    assert 0.05 < north.bound < 0.2
    assert (south.low, south.estimate) == (0.0, 0.0)
    assert (west.audits, west.estimate, west.bound, west.high) == (0, None, 1.0, 1.0)


def test_what_is_in_doubt_is_wrong_for_an_upper_end_and_right_for_a_lower_one() -> None:
    doubted = [Audit("intact", "", False, 0.1, 50, in_doubt=True)] * 10
    mixed, settled, worst = [*audits(95, 5), *doubted], audits(105, 5), audits(95, 15)
    given = {"automatic": 400, "arrivals": 2000, "promised": None}
    value = Value(column="amount", cap=100)

    (group,) = parity.table(mixed, {})
    harm, loss = parity.per_thousand(mixed, **given), parity.mean_losses(mixed, value=value)["intact"]

    assert (group.audits, group.wrong, group.in_doubt) == (110, 5, 10)
    assert group.low == parity.table(settled, {})[0].low
    assert (group.high, group.bound) == (parity.table(worst, {})[0].high, parity.table(worst, {})[0].bound)
    assert harm is not None
    assert (harm.estimate, harm.low) == (
        pytest.approx(1000 * 400 * 5 / 110 / 2000),
        parity.per_thousand(settled, **given).low,
    )
    assert harm.bound == parity.per_thousand(worst, **given).bound
    assert loss.low == pytest.approx(parity.mean_losses(settled, value=value)["intact"].low)
    assert loss.bound > parity.mean_losses(settled, value=value)["intact"].bound


def test_audits_at_a_higher_rate_weigh_less_in_the_bound() -> None:
    quiet = parity.table(audits(100), {})[0].bound
    mixed = parity.table([*audits(50), *audits(50, probability=1.0)], {})[0].bound

    assert mixed > quiet


@pytest.mark.parametrize(
    ("promised", "keeping"), [(None, None), (100.0, Keeping.KEPT), (16.0, Keeping.UNPROVEN), (2.0, Keeping.BROKEN)]
)
def test_wrong_decisions_per_thousand_arrivals(promised: float | None, keeping: Keeping | None) -> None:
    found = parity.per_thousand(audits(180, 20), automatic=400, arrivals=2000, promised=promised)

    assert found is not None
    assert found.estimate == pytest.approx(1000 * 400 * 0.1 / 2000)
    assert found.low < found.estimate < found.bound
    assert found.keeping is keeping


def test_without_arrivals_there_is_no_rate_and_without_audits_nothing_is_ruled_out() -> None:
    assert parity.per_thousand([], automatic=0, arrivals=0, promised=1.0) is None

    unknown = parity.per_thousand([], automatic=100, arrivals=200, promised=1.0)
    assert unknown == Harm(estimate=0.0, low=0.0, bound=500.0, promised=1.0)


def test_a_loss_is_the_value_of_what_was_wrong_up_to_the_cap() -> None:
    given = [*audits(300, 10, value=80), *audits(100, answer="damaged", value=5)]
    # The bound bets on one audit after the other, so it needs them in an order that chance gave.
    random.Random(0).shuffle(given)
    found = parity.mean_losses(given, value=Value("price", cap=40.0, promised_loss=20.0))

    assert found["intact"].estimate == pytest.approx(40 * 10 / 310)
    assert found["intact"].low < found["intact"].estimate < found["intact"].bound < 20
    assert found["intact"].keeping is Keeping.KEPT
    assert found["damaged"].estimate == 0.0


def test_an_unknown_value_counts_as_the_cap() -> None:
    found = parity.mean_losses([Audit("intact", "", True, 1.0, None)], value=Value("price", cap=40.0))

    assert found["intact"].estimate == 40.0


def test_the_whole_period_follows_the_policy() -> None:
    policy = Policy(thresholds={}, wrong_per_thousand=5.0)

    found = parity.of(audits(10), automatic={("intact", ""): 100}, arrivals=250, days=30, policy=policy)

    assert (found.automatic, found.arrivals, found.loss) == (100, 250, {})
    assert found.per_thousand is not None
    assert found.per_thousand.promised == 5.0
