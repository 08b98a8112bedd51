import pytest
from django.db import IntegrityError
from django.test import RequestFactory

from reviewapp.accounts.adapter import ClosedSignupAdapter
from reviewapp.accounts.models import User
from tests.factories import teams

pytestmark = pytest.mark.django_db


def test_a_person_signs_in_by_email_whatever_its_case() -> None:
    person = User.objects.create_user("Rosa.Reader@Example.ORG", password=teams.PASSWORD)

    assert person.email == "rosa.reader@example.org"
    assert person.check_password(teams.PASSWORD)
    assert not person.is_superuser


def test_an_address_belongs_to_one_person() -> None:
    User.objects.create_user("rosa@example.org")

    with pytest.raises(IntegrityError):
        User.objects.create_user("ROSA@example.org")


def test_a_person_without_a_name_is_called_by_address() -> None:
    assert teams.user("Rosa").name == "Rosa"
    assert User.objects.create_user("nameless@example.org").name == "nameless@example.org"


def test_an_administrator_may_enter_the_admin() -> None:
    administrator = User.objects.create_superuser("ada@example.org", password=teams.PASSWORD)

    assert (administrator.is_staff, administrator.is_superuser) == (True, True)


def test_nobody_signs_up() -> None:
    assert not ClosedSignupAdapter().is_open_for_signup(RequestFactory().get("/"))
