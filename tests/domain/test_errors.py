import pytest

from reviewapp.domain import errors


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (errors.DomainError, 400, "refused"),
        (errors.NotFound, 404, "not_found"),
        (errors.Forbidden, 403, "forbidden"),
        (errors.Conflict, 409, "conflict"),
        (errors.PreconditionFailed, 412, "precondition_failed"),
        (errors.Invalid, 422, "invalid"),
    ],
)
def test_each_refusal_has_its_status_and_code(kind: type[errors.DomainError], status: int, code: str) -> None:
    error = kind("No.")

    assert (error.status, error.code, str(error)) == (status, code, "No.")


def test_a_refusal_may_name_its_own_code_and_details() -> None:
    error = errors.Conflict("Somebody works on it.", code="already_claimed", by="Rosa")

    assert error.code == "already_claimed"
    assert error.details == {"by": "Rosa"}
    assert errors.Conflict.code == "conflict"
