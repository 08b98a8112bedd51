"""What a promise or a threshold would mean, worked out from traffic and labels; no page and no database."""

import numpy as np
import pytest

from reviewapp.domain.policy import AuditRule, Promise
from reviewapp.gating import proof
from reviewapp.web import estimates
from reviewapp.web.estimates import Labels, Traffic
from reviewapp.web.forms.shares import PercentField, in_percent

SURE, UNSURE = 0.99, 0.6


def traffic(*confidences, days=10.0, cases=1000, **more):
    return Traffic(
        cases=cases,
        of_class=more.pop("of_class", len(confidences)),
        stopped=0,
        days=days,
        confidences=np.array(confidences),
        is_automatic=np.zeros(len(confidences), dtype=bool),
        **more,
    )


def spread(number):
    """Confidences without ties."""
    return [0.5 + 0.5 * (at + 0.5) / number for at in range(number)]


def test_labels_on_a_ladder_are_those_that_a_certificate_counts():
    rows = [(0.95, 0.5, 0.1, False), (0.95, 0.1, 0.1, True), (0.7, 1.0, 0.1, False), (0.2, 1.0, 1.0, True)]
    ladder = (0.95, 0.9, 0.7)

    counted = Labels.of(rows).counts_on(ladder)

    entries = [
        {"confidence": c, "inclusion_probability": p, "least_probability": v, "is_wrong": w, "is_overdue": False}
        for c, p, v, w in rows
    ]
    assert sorted(counted, key=str) == sorted(proof.counted(ladder, entries), key=str)


def test_the_estimate_weighs_each_label_by_what_it_stands_for():
    # One audit at 10% stands for ten decisions, one reading below the threshold for itself.
    labels = Labels.of([(SURE, 0.1, 0.1, False), (UNSURE, 1.0, 0.1, True)])

    assert labels.point(0.5) == pytest.approx(1 / 11)
    assert labels.point(0.9) == 0
    assert labels.point(0.995) is None


def test_enough_clean_labels_prove_a_threshold_and_few_say_how_many_are_missing():
    confidences, promise = spread(400), Promise(0.05, 0.95)
    clean = [(confidence, 1.0, 1.0, False) for confidence in confidences]

    proven = estimates.look_at(Labels.of(clean), traffic(*confidences), promise, expected_labels=400)
    missing = estimates.look_at(Labels.of(clean[:10]), traffic(*confidences), promise, expected_labels=400)

    assert proven.state == "certified"
    assert proven.threshold == min(confidences)
    assert missing.threshold is None
    assert missing.more_needed > 50


def test_a_looser_promise_never_automates_less():
    rng = np.random.default_rng(5)
    confidences = spread(2000)
    labels = Labels.of([(c, 1.0, 1.0, bool(rng.random() > c)) for c in confidences])
    shares = []

    for target in (0.02, 0.05, 0.1, 0.2):
        look = estimates.look_at(labels, traffic(*confidences), Promise(target, 0.95), expected_labels=2000)
        shares.append(0 if look.threshold is None else traffic(*confidences).share_from(look.threshold))

    assert shares == sorted(shares)
    assert shares[-1] > shares[0]


def test_no_case_of_the_class_gives_nothing_to_look_at():
    assert estimates.look_at(Labels.of([]), traffic(), Promise(0.02, 0.95), expected_labels=0) is None


def test_a_threshold_is_told_in_cases_a_day():
    confidences = [SURE] * 300 + [UNSURE] * 100
    found = estimates.estimate(
        labels=Labels.of([(SURE, 1.0, 1.0, False)] * 50),
        traffic=traffic(*confidences, others_automatic=20.0, others_audits=2.0),
        threshold=0.9,
        confidence=0.95,
        audit=AuditRule(expected_per_day=6),
        minutes_per_review=0.5,
    )

    assert found.share == 0.75
    assert found.automatic_per_day == 30
    assert found.audits_per_day == pytest.approx(6)
    assert found.people_per_day == pytest.approx(16)
    # A hundred a day, of which fifty act alone and eight are audited.
    assert found.stream_people_per_day == pytest.approx(58)
    assert found.minutes_per_day == pytest.approx(29)
    assert (found.labels, found.wrong) == (50, 0)
    assert 0.05 < found.bound < 0.1


def test_cases_stopped_by_a_guardrail_are_none_that_act_alone():
    assert traffic(SURE, SURE, of_class=4).share_from(0.5) == 0.5


@pytest.mark.parametrize(
    ("automatic", "by_hand", "expected"),
    [(40, None, 0.5), (0, None, 1.0), (10, None, 1.0), (4000, None, 0.03), (40, 0.2, 0.2)],
)
def test_the_audit_rate_follows_the_volume(automatic, by_hand, expected):
    assert estimates.audit_rate(automatic, AuditRule(), by_hand) == pytest.approx(expected)


def test_the_reliability_of_a_calibrated_model_is_within_its_band_and_the_same_on_every_visit():
    rng = np.random.default_rng(11)
    labels = Labels.of([(c, 1.0, 1.0, bool(rng.random() > c)) for c in spread(500)])

    first, second = estimates.reliability(labels), estimates.reliability(labels)

    assert first.p_value > 0.01
    assert first.band == second.band
    assert all(low <= high for _, low, high in first.band)
    assert estimates.reliability(Labels.of([])) is None


def test_the_histogram_counts_every_case_once():
    shown = estimates.histogram(traffic(*spread(97), 1.0))

    assert sum(one.automatic + one.reviewed for one in shown) == 98
    assert shown[0].low == 0.5
    assert shown[-1].high == 1
    assert estimates.histogram(traffic()) == []


@pytest.mark.parametrize("share", [0.973, 0.02, 1.0, 0.0, 0.005, 0.123456])
def test_a_share_survives_being_shown_in_per_cent_and_typed_again(share):
    assert PercentField().clean(in_percent(share)) == share
