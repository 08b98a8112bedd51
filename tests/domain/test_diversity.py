import numpy as np

from reviewapp.domain.diversity import ALIKE, Candidate, choose


def at(distance, answer="intact", is_honest=False):
    return Candidate(distance, answer, is_honest)


def on_a_line(candidates):
    """Places whose distances from the origin are the candidates'."""
    return np.array([[one.distance, 0.0] for one in candidates], dtype=np.float32)


def test_the_nearest_come_first():
    candidates = [at(3.0), at(1.0), at(2.0)]

    assert choose(candidates, on_a_line(candidates), limit=2) == [(1, 0), (2, 0)]


def test_near_duplicates_do_not_fill_the_list():
    candidates = [at(1.0), at(1.001), at(1.002), at(2.0), at(3.0)]

    assert choose(candidates, on_a_line(candidates), limit=3) == [(0, 2), (3, 0), (4, 0)]


def test_duplicates_fill_the_list_where_too_few_differ():
    candidates = [at(1.0), at(1.001), at(1.002), at(2.0)]

    assert choose(candidates, on_a_line(candidates), limit=3) == [(0, 1), (1, 0), (3, 0)]


def test_a_case_settled_otherwise_is_never_folded_away():
    candidates = [at(1.0), at(1.0, "damaged"), at(1.0), at(2.0), at(3.0)]

    chosen = choose(candidates, on_a_line(candidates), limit=3)

    assert chosen == [(0, 1), (1, 0), (3, 0)]


def test_cases_at_like_distance_in_other_directions_are_no_duplicates():
    candidates = [at(1.0), at(1.0), at(1.0)]
    places = np.array([[1, 0], [0, 1], [-1, 0]], dtype=np.float32)

    assert choose(candidates, places, limit=2) == [(0, 0), (1, 0)]


def test_at_like_distance_the_honest_answer_leads_and_stands_for_the_others():
    candidates = [at(1.0), at(1.0 + ALIKE / 10, is_honest=True), at(2.0)]

    assert choose(candidates, on_a_line(candidates), limit=2) == [(1, 1), (2, 0)]
    assert choose(candidates, None, limit=2) == [(1, 0), (0, 0)]


def test_none_are_none():
    assert choose([], None, limit=5) == []
