"""The states of a case and the moves between them, as data; the docs' diagram is drawn from here."""

from enum import StrEnum


class CaseState(StrEnum):
    SCORING = "scoring"
    IN_REVIEW = "in_review"
    DECIDED = "decided"
    ERASED = "erased"


# (from, to) → what makes it happen
CASE_TRANSITIONS: dict[tuple[CaseState, CaseState], str] = {
    (CaseState.SCORING, CaseState.DECIDED): "routed auto",
    (CaseState.SCORING, CaseState.IN_REVIEW): "routed to review",
    (CaseState.IN_REVIEW, CaseState.DECIDED): "verdict or outcome",
    (CaseState.DECIDED, CaseState.IN_REVIEW): "reopened, contested or undone",
    (CaseState.SCORING, CaseState.SCORING): "amended",
    (CaseState.IN_REVIEW, CaseState.SCORING): "amended",
    (CaseState.DECIDED, CaseState.SCORING): "amended",
    (CaseState.SCORING, CaseState.ERASED): "erased",
    (CaseState.IN_REVIEW, CaseState.ERASED): "erased",
    (CaseState.DECIDED, CaseState.ERASED): "erased",
}


def can_move(frm: CaseState, to: CaseState) -> bool:
    return (frm, to) in CASE_TRANSITIONS


def mermaid() -> str:
    """The state machine as a Mermaid diagram, for docs/reference/states.md."""
    lines = ["stateDiagram-v2", f"    [*] --> {CaseState.SCORING}: received"]
    lines += [f"    {frm} --> {to}: {cause}" for (frm, to), cause in CASE_TRANSITIONS.items()]
    lines.append(f"    {CaseState.ERASED} --> [*]")
    return "\n".join(lines)
