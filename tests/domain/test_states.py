from itertools import product

import pytest

from reviewapp.domain.states import CASE_TRANSITIONS, CaseState, can_move, mermaid

S = CaseState
ALLOWED = {
    (S.SCORING, S.DECIDED),
    (S.SCORING, S.IN_REVIEW),
    (S.SCORING, S.SCORING),
    (S.SCORING, S.ERASED),
    (S.IN_REVIEW, S.DECIDED),
    (S.IN_REVIEW, S.SCORING),
    (S.IN_REVIEW, S.ERASED),
    (S.DECIDED, S.IN_REVIEW),
    (S.DECIDED, S.SCORING),
    (S.DECIDED, S.ERASED),
}


@pytest.mark.parametrize(("frm", "to"), list(product(CaseState, CaseState)))
def test_a_case_moves_only_as_designed(frm: CaseState, to: CaseState) -> None:
    assert can_move(frm, to) == ((frm, to) in ALLOWED)


def test_nothing_leaves_the_erased_state() -> None:
    assert all(frm is not S.ERASED for frm, _ in CASE_TRANSITIONS)


def test_the_diagram_draws_every_move_with_its_cause() -> None:
    lines = mermaid().splitlines()

    assert lines[0] == "stateDiagram-v2"
    assert "    in_review --> decided: verdict or outcome" in lines
    assert len(lines) == len(CASE_TRANSITIONS) + 3
