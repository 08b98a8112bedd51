from reviewapp.cases.models.cache import CachedResult, CacheUse
from reviewapp.cases.models.case import Case, CaseInput
from reviewapp.cases.models.decision import Decision
from reviewapp.cases.models.label import Label
from reviewapp.cases.models.prediction import Embedding, Explanation, Prediction
from reviewapp.cases.models.recall import Recall
from reviewapp.cases.models.review import Review, ReviewDraft, ReviewSkip, Verdict
from reviewapp.cases.models.space import VectorBuild
from reviewapp.cases.models.work import Work

__all__ = [
    "CacheUse",
    "CachedResult",
    "Case",
    "CaseInput",
    "Decision",
    "Embedding",
    "Explanation",
    "Label",
    "Prediction",
    "Recall",
    "Review",
    "ReviewDraft",
    "ReviewSkip",
    "VectorBuild",
    "Verdict",
    "Work",
]
