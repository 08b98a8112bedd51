"""Where another library answers the same question, it answers alike."""

import numpy as np
import pytest

from reviewapp.domain import evidence, exact, thresholds
from reviewapp.domain.evidence import Tally


def test_a_walk_with_one_start_is_the_fixed_sequence_of_mapie():
    risk_control = pytest.importorskip("mapie.risk_control")
    rng = np.random.default_rng(5)

    for p_values in rng.choice([0.001, 0.03, 0.049, 0.051, 0.4], size=(60, 8), p=[0.5, 0.2, 0.1, 0.1, 0.1]):
        rejected = risk_control.control_fwer(p_values, 0.05, "fixed_sequence")
        index = thresholds.walk(p_values.tolist(), starts=(0,), delta=0.05).index
        assert (-1 if index is None else index) == max(rejected, default=-1)


def test_the_exact_p_value_is_never_above_the_hoeffding_bentkus_one_of_mapie():
    methods = pytest.importorskip("mapie.risk_control.methods")

    for wrong, audits in [(0, 100), (1, 300), (5, 1000), (12, 2000)]:
        bound = methods.compute_hoeffding_bentkus_p_value(np.array([wrong / audits]), audits, 0.01)
        assert exact.p_value(wrong=wrong, audits=audits, target_error=0.01) <= float(np.ravel(bound)[0]) * (1 + 1e-9)


def test_the_bound_for_every_look_is_tighter_than_the_beta_binomial_one_of_ville():
    """At error rates of promises, on the same audits; theirs is two-sided at 90 %, so each side is at 95 %."""
    ville = pytest.importorskip("ville")
    outcomes = np.zeros(1000)
    outcomes[[200, 450, 900]] = 1

    ours = evidence.e_upper_bound([Tally(1.0, 997, 3)], confidence=0.95)
    _, theirs = ville.BernoulliCS(alpha=0.1, intersect=False).update(outcomes).interval()

    assert exact.upper_bound(wrong=3, audits=1000, confidence=0.95) < ours < theirs
