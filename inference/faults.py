"""Whose fault a failed run was: the rows', the time's, or the model's itself."""

import logging
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from inference.decode import RowInvalid
from inference.model import Model
from inference.remote import RemoteUnavailable
from inference.session import RunTimedOut

logger = logging.getLogger(__name__)


class Fault(StrEnum):
    """What to do next: part the batch, try its rows apart later, or leave the model alone."""

    ROWS = "rows"
    TIME = "time"
    MODEL = "model"


def fault_of(model: Model, error: Exception, *, rows: Sequence[Any]) -> Fault:
    """Judge a failed run by the rows the bundle brought along: a model that answers those is sound."""
    if isinstance(error, RowInvalid):
        return Fault.ROWS
    if isinstance(error, RemoteUnavailable) or not model.is_sound():
        return Fault.MODEL
    return Fault.TIME if isinstance(error, RunTimedOut) and len(rows) > 1 else Fault.ROWS
