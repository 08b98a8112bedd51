import pytest
from django.apps import apps
from django.db import DatabaseError, IntegrityError, connection, models, transaction

from tests.repo.constraints.table import DELETABLE, READ_ONLY, VIOLATIONS
from tests.repo.constraints.world import build

# Made by a migration, or by a field that is unique of itself.
BEYOND_META = {"decision_prediction_route", "cases_decision_supersedes_id_key", "cases_label_supersedes_id_key"}


def our_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model.__module__.startswith("reviewapp.")]


def test_each_constraint_and_trigger_has_a_violation() -> None:
    constraints = {constraint.name for model in our_models() for constraint in model._meta.constraints}
    triggers = {trigger.name for model in our_models() for trigger in getattr(model._meta, "triggers", ())}

    assert VIOLATIONS.keys() == constraints | BEYOND_META
    assert READ_ONLY.keys() == triggers


def test_the_database_refuses_each_violation(db: None, subtests: pytest.Subtests) -> None:
    world = build()

    for name, violation in VIOLATIONS.items():
        with subtests.test(name):
            with pytest.raises(IntegrityError) as refusal, transaction.atomic():
                violation.commit(world)

            assert refusal.value.__cause__.diag.constraint_name == (violation.by or name)


def test_the_database_keeps_what_was_appended(db: None, subtests: pytest.Subtests) -> None:
    world = build()

    for name, (row_name, changes) in READ_ONLY.items():
        rows = type(world[row_name]).objects.filter(pk=world[row_name].pk)
        with subtests.test(name):
            with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
                rows.update(**changes)
            if name not in DELETABLE:
                with pytest.raises(DatabaseError, match="or delete rows"), transaction.atomic():
                    rows._raw_delete(using="default")


def test_each_constraint_is_in_the_database(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace "
            "UNION SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND indexdef LIKE 'CREATE UNIQUE%'"
        )
        stored = {row[0] for row in cursor.fetchall()}

    assert stored >= VIOLATIONS.keys()
