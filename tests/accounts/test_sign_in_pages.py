"""Signing in and out through the pages, as allauth serves them in our templates."""

import pytest
from django.test import Client

from reviewapp.accounts.models import User

EMAIL = "ada@example.org"
PASSWORD = "correct horse battery"


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user(email=EMAIL, password=PASSWORD)


def test_the_sign_in_page_asks_for_email_and_password(client: Client, db: None) -> None:
    html = client.get("/accounts/login/").content.decode()

    assert 'name="login"' in html
    assert 'type="password"' in html
    assert "Forgot your password?" in html
    assert "sign up" not in html.lower()


def test_a_wrong_password_is_refused_with_a_sentence(client: Client, ada: User) -> None:
    response = client.post("/accounts/login/", {"login": EMAIL, "password": "wrong"})

    assert response.status_code == 200
    assert 'role="alert"' in response.content.decode()
    assert "_auth_user_id" not in client.session


def test_the_right_password_signs_in(client: Client, ada: User) -> None:
    response = client.post("/accounts/login/", {"login": EMAIL, "password": PASSWORD})

    assert response.status_code == 302
    assert client.session["_auth_user_id"] == str(ada.pk)


def test_only_a_post_signs_out(client: Client, ada: User) -> None:
    client.force_login(ada)

    page = client.get("/accounts/logout/")

    assert page.status_code == 200
    assert "_auth_user_id" in client.session
    client.post("/accounts/logout/")
    assert "_auth_user_id" not in client.session


def test_nobody_signs_up(client: Client, db: None) -> None:
    response = client.post(
        "/accounts/signup/", {"email": "eve@example.org", "password1": PASSWORD, "password2": PASSWORD}
    )

    assert "Sign-up is closed" in response.content.decode()
    assert not User.objects.filter(email="eve@example.org").exists()


@pytest.mark.parametrize(
    "path", ["/accounts/password/change/", "/accounts/2fa/", "/accounts/reauthenticate/", "/accounts/email/"]
)
def test_the_account_pages_render_in_our_frame(client: Client, ada: User, path: str) -> None:
    client.force_login(ada)

    response = client.get(path)

    assert response.status_code == 200
    html = response.content.decode()
    assert "reviewapp" in html
    assert "vendor/tabler.min.css" in html


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/password/reset/"])
def test_the_strict_policy_is_sent(client: Client, db: None, path: str) -> None:
    policy = client.get(path).headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy + ";"
    assert "unsafe" not in policy
