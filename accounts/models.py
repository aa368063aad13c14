"""Who a request belongs to: users sign in, accounts own keys and a wallet, events remember what was done to them."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone


class UserManager(BaseUserManager["User"]):
    use_in_migrations = True

    def _create(self, email: str, password: str | None, **fields: Any) -> User:
        if not email:
            raise ValueError("a user needs an e-mail address")
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self._create(email, password, **{"is_staff": False, "is_superuser": False, **fields})

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self._create(email, password, **{**fields, "is_staff": True, "is_superuser": True})

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractUser):
    """Somebody who can sign in, by e-mail address. Staff need no Account."""

    username = None  # type: ignore[assignment]  # the e-mail address is the name
    email = models.EmailField("e-mail address", max_length=254, unique=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]  # in place of AbstractUser's

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(email=Lower("email")), name="user_email_lower_case")]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        super().clean()
        self.email = self.email.lower()


class Account(models.Model):
    """A customer: owns API keys and one wallet. One user per account for now."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"
        CLOSED = "closed"

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="account")
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    # None: contract.limits' figure for everybody
    requests_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="Requests of all its keys together. Empty: what everybody has."
    )
    stored_uploads = models.PositiveIntegerField(
        null=True, blank=True, help_text="Uploads that it may keep at the same time. Empty: what everybody has."
    )
    stored_bytes = models.PositiveBigIntegerField(null=True, blank=True, help_text="Bytes in them all. Empty: what everybody has.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=["active", "suspended", "closed"]), name="account_status_known"),
            models.CheckConstraint(condition=models.Q(requests_per_minute__gte=1), name="account_requests_per_minute_from_one"),
        ]

    def __str__(self) -> str:
        return self.user.email


class Event(models.Model):
    """One thing somebody did to an account, for the audit trail. Written by `accounts.events.record`, never changed.

    Append-only: the database refuses UPDATE, DELETE and TRUNCATE.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, blank=True, related_name="events")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    kind = models.CharField(max_length=64)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["account", "-id"], name="event_by_account"),
            models.Index(fields=["kind", "-id"], name="event_by_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.created_at:%Y-%m-%d %H:%M}"


class Notice(models.Model):
    """One mail to an account's owner about what happened, written by `accounts.notices.tell` and sent by beat."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="notices", db_index=False)
    kind = models.CharField(max_length=64)
    reference = models.CharField(max_length=160, unique=True)
    context = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["next_try_at"], name="notice_unsent", condition=models.Q(sent_at=None)),
            models.Index(fields=["account", "-created_at"], name="notice_by_account"),
            models.Index(fields=["-created_at", "-id"], name="notice_newest_first"),
        ]

    def __str__(self) -> str:
        return self.reference
