from typing import Any, ClassVar

import uuid_utils.compat as uuid
from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models


class Team(models.Model):
    """Owns streams, clients, endpoints and people; nothing crosses it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class PeopleManager(UserManager["User"]):
    """Creates users by email address; there are no user names."""

    def create_user(self, email: str, password: str | None = None, **extra: Any) -> "User":  # type: ignore[override]
        user = self.model(email=self.normalize_email(email).lower(), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> "User":  # type: ignore[override]
        return self.create_user(email, password, **{**extra, "is_staff": True, "is_superuser": True})


class User(AbstractUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid7, editable=False)
    username = None  # type: ignore[assignment]
    email = models.EmailField("email address", unique=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = PeopleManager()  # type: ignore[misc]

    def __str__(self) -> str:
        return self.email

    @property
    def name(self) -> str:
        return self.get_full_name() or self.email
