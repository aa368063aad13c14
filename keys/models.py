"""API keys: what an account's programs show to be let in. The key itself is never stored, only its digest."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Final, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import Account
from keys import tokens
from keys.restrictions import Restrictions

SOON: Final = timedelta(days=3)
"""How long before its end the list says that a key expires soon."""


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def of_account(self, account: Account) -> Self:
        """The keys of one account, revoked and expired ones too."""
        return self.filter(account=account)

    def active(self) -> Self:
        """Keys neither revoked nor expired, paused ones too. Their account may be suspended all the same."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()), revoked_at=None)

    def in_use(self) -> Self:
        """Those that count towards the most an account may have: active, and no other key that is has taken their place."""
        successor_has_ended = Q(replaced_by__revoked_at__isnull=False) | Q(replaced_by__expires_at__lte=timezone.now())
        return self.active().filter(Q(replaced_by=None) | successor_has_ended)


class ApiKey(models.Model):
    """One key of an account. Made and revoked by `keys.issuing`, never deleted: usage records speak of it.

    Changed by `keys.editing`, `keys.pausing` and `keys.rotating`.
    """

    class Status(models.TextChoices):
        ACTIVE = "active"
        EXPIRES_SOON = "expires_soon", "Expires soon"
        PAUSED = "paused"
        REPLACED = "replaced"
        EXPIRED = "expired"
        REVOKED = "revoked"

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=64)
    prefix = models.CharField(max_length=tokens.PREFIX_LENGTH)
    digest = models.CharField(max_length=64)
    # None stands for every model, also those added later
    allowed_models = ArrayField(models.CharField(max_length=128), null=True, blank=True)
    # None stands for every capability, also those added later
    scopes = ArrayField(models.CharField(max_length=32), null=True, blank=True)
    # CIDR networks, addresses as networks of one; None stands for everywhere
    allowed_networks = ArrayField(models.CharField(max_length=64), null=True, blank=True)
    # None: the account's figure alone counts
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    # Which sending of the form made it: the same form sent twice makes one key
    submission = models.UUIDField(default=uuid.uuid4, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    # Refused until it is resumed
    paused_at = models.DateTimeField(null=True, blank=True)
    # The key that a rotation made in its place; this one ends by `expires_at`
    replaced_by = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="replaces")
    # Written by keys.last_use at most once a minute
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        default_permissions = ("view",)
        permissions = [("revoke_apikey", "Can revoke API keys")]
        constraints = [
            models.UniqueConstraint(fields=["digest"], name="api_key_digest_unique"),
            models.UniqueConstraint(fields=["account", "submission"], name="api_key_submission_unique"),
            models.CheckConstraint(condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="api_key_digest_is_hmac_sha256"),
            models.CheckConstraint(condition=Q(prefix__regex=r"^sk-bt-[0-9A-Za-z]{6}$"), name="api_key_prefix_only"),
            models.CheckConstraint(condition=Q(name__regex=r"\S"), name="api_key_name_not_blank"),
            models.CheckConstraint(condition=Q(requests_per_minute__gte=1), name="api_key_requests_per_minute_from_one"),
        ]
        indexes = [
            models.Index(fields=["account", "-created_at", "-id"], name="api_key_by_account"),
            # pattern_ops, so that it serves `startswith` under any collation
            models.Index(fields=["prefix"], name="api_key_by_prefix", opclasses=["varchar_pattern_ops"]),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.name})"

    @property
    def restrictions(self) -> Restrictions:
        """What the key may do, and until when."""
        return Restrictions(**{name: getattr(self, name) for name in Restrictions.__slots__})

    def status(self, *, at: datetime | None = None) -> Status:
        """What the key is at a moment, now by default. A replaced one works until its overlap is over: `works` tells."""
        at = at or timezone.now()
        if self.revoked_at is not None:
            return self.Status.REVOKED
        if self.replaced_by_id is not None:
            return self.Status.REPLACED
        if self.has_ended(at=at):
            return self.Status.EXPIRED
        if self.paused_at is not None:
            return self.Status.PAUSED
        if self.expires_at is not None and self.expires_at <= at + SOON:
            return self.Status.EXPIRES_SOON
        return self.Status.ACTIVE

    def has_ended(self, *, at: datetime | None = None) -> bool:
        """Whether the key is refused for good: revoked, or expired."""
        return self.revoked_at is not None or (self.expires_at is not None and self.expires_at <= (at or timezone.now()))

    def works(self, *, at: datetime | None = None) -> bool:
        """Whether calls with the key are let in, as far as the key itself goes."""
        return self.paused_at is None and not self.has_ended(at=at)

    def is_changeable(self, *, at: datetime | None = None) -> bool:
        """Whether it can be edited and rotated: neither ended nor replaced."""
        return self.replaced_by_id is None and not self.has_ended(at=at)
