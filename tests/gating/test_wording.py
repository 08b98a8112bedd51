"""What is told of certificates and breakers."""

from typing import Any

import pytest

from reviewapp.gating import wording

EVIDENCE = {
    "ladder": [0.9],
    "audits": 212,
    "wrong": 3,
    "bound": 0.0312,
    "more_needed": 0,
    "at": 0.9,
    "share": 0.25,
    "labels_per_day": 40.0,
    "certificate_days": 90.0,
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "212 audits, 3 wrong, bound now 3.1%, 0 more clean audits needed."),
        ({"more_needed": 1}, "1 more clean audit needed at a threshold of 90%: about 1 day at 10 a day."),
        ({"more_needed": 95}, "95 more clean audits needed at a threshold of 90%: about 10 days at 10 a day."),
        (
            {"more_needed": 2000},
            "about 200 days at 10 a day, more than the 90 days that a certificate lasts; a looser promise or more",
        ),
        ({"more_needed": 95, "labels_per_day": 0.0}, "needed at a threshold of 90%, where hardly any arrive."),
        (
            {"violated": {"threshold": 0.8, "audits": 40, "wrong": 9}},
            "9 of 40 audits above 0.8 were wrong: more than was promised.",
        ),
        ({"ladder": None, "scores": 1, "scores_needed": 200}, "1 case of this class scored"),
    ],
)
def test_the_standing_of_a_certificate(changes: dict[str, Any], words: str) -> None:
    assert words in wording.standing("violated" if "violated" in changes else "unproven", {**EVIDENCE, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "First exam: 134 rows, 4 wrong, bound 7.5%. Since then 212 audits, 3 wrong."),
        ({"audits": 0}, "First exam: 134 rows, 4 wrong, bound 7.5%."),
        ({"at": 0.8}, "212 audits, 3 wrong, bound now 3.1%, 0 more clean audits needed."),
    ],
)
def test_a_threshold_that_rests_on_its_first_exam_is_told_by_it(changes: dict[str, Any], words: str) -> None:
    exam = {"threshold": 0.9, "rungs": [{"threshold": 0.9, "audits": 134, "wrong": 4, "bound": 0.0746}]}

    assert wording.standing("certified", {**EVIDENCE, "exam": exam, **changes}) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0%"), (0.0004, "0.04%"), (0.0312, "3.1%"), (0.05, "5%"), (0.95, "95%"), (1.0, "100%")],
)
def test_shares_have_the_places_that_they_need(value: float, words: str) -> None:
    assert wording.share(value) == words


def test_a_share_close_to_all_is_not_told_as_all() -> None:
    assert wording.share(0.999) == "99.9%"


@pytest.mark.parametrize(
    ("state", "words"),
    [("closed", "evidence 40 of the 146,000"), ("amber", "in doubt"), ("open", "goes to people until it is re-armed")],
)
def test_the_evidence_of_a_breaker(state: str, words: str) -> None:
    evidence = {"audits": 50, "wrong": 2, "level": 40.2, "limit": 146_000.0, "target_error": 0.02}

    told = wording.breaker(state, evidence)

    assert told.startswith("2 of 50 audits wrong, 2% promised")
    assert words in told
    assert wording.breaker("closed", {}) == "No automatic decision was audited since it was armed."


@pytest.mark.parametrize(
    ("restarts", "words"),
    [
        (0, ""),
        (1, "Judged at 98.75% confidence, because the attempt before was ended by hand."),
        (3, "Judged at 98.75% confidence, because 3 attempts before were ended by hand."),
    ],
)
def test_an_attempt_after_others_says_why_it_needs_more(restarts: int, words: str) -> None:
    assert wording.begun_anew(restarts, 0.0125) == words
