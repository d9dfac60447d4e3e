"""Accounts: an email address and a password; the rest is allauth's."""

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.utils.translation import gettext_lazy as _


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").lower())

    def administrators(self) -> models.QuerySet["User"]:
        return self.filter(is_superuser=True, is_active=True)

    def moderators(self) -> models.QuerySet["User"]:
        return self.filter(is_moderator=True, is_active=True)


class User(AbstractUser):
    """Whoever is signed in may chat with approved numbers and create numbers of his own."""

    username = None  # type: ignore[assignment]  # Django's documented way to drop the field
    email = models.EmailField(_("email"), unique=True)
    language = models.CharField(_("language"), max_length=10, blank=True)
    is_moderator = models.BooleanField(_("moderator"), default=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")

    @property
    def mail_language(self) -> str:
        """The language in which this person is written to."""
        return self.language or settings.LANGUAGE_CODE

    def __str__(self) -> str:
        return self.email
