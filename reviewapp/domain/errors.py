"""Expected failures: a stable code for machines and a sentence for people."""

from typing import Any


class DomainError(Exception):
    """An expected refusal. `code` is stable; `str()` is a sentence that names the remedy."""

    code = "refused"
    status = 400

    def __init__(self, message: str, *, code: str | None = None, **details: Any) -> None:
        super().__init__(message)
        if code:
            self.code = code
        self.details = details


class NotFound(DomainError):
    code = "not_found"
    status = 404


class Forbidden(DomainError):
    code = "forbidden"
    status = 403


class Conflict(DomainError):
    code = "conflict"
    status = 409


class PreconditionFailed(DomainError):
    code = "precondition_failed"
    status = 412


class Invalid(DomainError):
    """The content is understood and wrong; `details["errors"]` names each field."""

    code = "invalid"
    status = 422
