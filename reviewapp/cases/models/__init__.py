from reviewapp.cases.models.case import Case, CaseInput
from reviewapp.cases.models.decision import Decision
from reviewapp.cases.models.label import Label
from reviewapp.cases.models.prediction import Embedding, Explanation, Prediction
from reviewapp.cases.models.review import Review, ReviewDraft, ReviewSkip, Verdict
from reviewapp.cases.models.work import Work

__all__ = [
    "Case",
    "CaseInput",
    "Decision",
    "Embedding",
    "Explanation",
    "Label",
    "Prediction",
    "Review",
    "ReviewDraft",
    "ReviewSkip",
    "Verdict",
    "Work",
]
