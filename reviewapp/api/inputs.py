"""Bodies of writing calls: an object with known fields and nothing else."""

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from reviewapp.domain.errors import DomainError


class Input(serializers.Serializer[Any]):
    """Refuses fields it does not know: a misspelt option must not be taken for its default."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(data.keys() - self.fields.keys()) if isinstance(data, dict) else []
        if unknown:
            names = ", ".join(sorted(self.fields)) or "none"
            raise serializers.ValidationError(
                {name[:100]: [ErrorDetail(f"is no field; use {names}.", "unknown_field")] for name in unknown}
            )
        return super().to_internal_value(data)


def checked(kind: type[Input], data: Any, **options: Any) -> dict[str, Any]:
    """The body's fields. Raises a problem that names each wrong one."""
    if not isinstance(data, dict):
        raise DomainError("The body must be a JSON object.", code="not_an_object")
    given = kind(data=data, **options)
    given.is_valid(raise_exception=True)
    content: dict[str, Any] = given.validated_data
    return content
