"""The usage record: one billable request from its hold to its charge, and the receipt the customer sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Self

from django.db import connection, models
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from .wallet import CreditsField, UsdField, Wallet


class UsageStatus(models.TextChoices):
    OPEN = "open"
    CHARGED = "charged"
    RELEASED = "released"


class UsageClause(models.TextChoices):
    """Which line of the charge table applied (contract.md 2)."""

    REPLAY = "replay"
    NOT_SENT = "not_sent"
    LOST = "lost"
    STOPPED = "stopped"
    CUT_BY_LIMIT = "cut_by_limit"
    UPSTREAM_FAILED = "upstream_failed"
    EMPTY = "empty"
    DRAINED = "drained"
    COMPLETE = "complete"


# Those by which a chat is charged markup x cost; by any other it is free
PAID_CLAUSES = (UsageClause.COMPLETE, UsageClause.DRAINED, UsageClause.STOPPED, UsageClause.CUT_BY_LIMIT)


@dataclass(frozen=True)
class Total:
    """Of a list of records: how many calls, beside them how many replays, the credits charged and those of them refunded.

    `is_all` is false where older ones were not counted.
    """

    calls: int
    replays: int
    charged: Decimal
    refunded: Decimal
    is_all: bool = True

    @property
    def records(self) -> int:
        return self.calls + self.replays

    @classmethod
    def of(cls, records: Sequence[UsageRecord]) -> Total:
        """Of these, which are all."""
        replays = sum(record.clause == UsageClause.REPLAY for record in records)
        charged = sum((record.charged_credits for record in records), Decimal(0))
        refunded = sum((record.refunded_credits for record in records), Decimal(0))
        return cls(len(records) - replays, replays, charged, refunded)


class UsageQuerySet(models.QuerySet["UsageRecord"]):
    def of_wallet(self, wallet: Wallet) -> Self:
        """The records of one wallet."""
        return self.filter(wallet=wallet)

    def total(self, *, most: int) -> Total:
        """Of these records; of the newest `most` where there are more."""
        newest = self.order_by("-created_at", "-id")
        is_replay = Q(clause=UsageClause.REPLAY)
        of_most = newest[:most].aggregate(
            calls=Count("id", filter=~is_replay),
            replays=Count("id", filter=is_replay),
            charged=Coalesce(Sum("charged_credits"), Decimal(0)),
            refunded=Coalesce(Sum("refunded_credits"), Decimal(0)),
        )
        total = Total(**of_most)
        return total if total.records < most else replace(total, is_all=not newest[most : most + 1].exists())

    def models_of(self, wallet: Wallet, *, most: int = 200) -> list[str]:
        """The models a wallet's calls were made with, by name.

        It jumps along the index from one to the next (a loose index scan): as many steps as there are models, however many calls.
        """
        found = """
            with recursive found(model, n) as (
                (select model, 1 from wallets_usagerecord where wallet_id = %(wallet)s and model > '' order by model limit 1)
                union all
                select (select u.model from wallets_usagerecord u
                         where u.wallet_id = %(wallet)s and u.model > found.model order by u.model limit 1), n + 1
                  from found where found.model is not null and n < %(most)s
            )
            select model from found where model is not null"""
        with connection.cursor() as cursor:
            cursor.execute(found, {"wallet": wallet.pk, "most": most})
            return [model for (model,) in cursor.fetchall()]

    def keys_used(self, key_ids: Iterable[int]) -> set[int]:
        """Those of `key_ids` that calls were made with: one look into the index for each."""
        used = """
            select k.id from unnest(%s::bigint[]) k(id)
             cross join lateral (select from wallets_usagerecord u where u.key_id = k.id limit 1) u"""
        with connection.cursor() as cursor:
            cursor.execute(used, [list(key_ids)])
            return {key_id for (key_id,) in cursor.fetchall()}


class UsageRecord(models.Model):
    """One billable request. Written *open* with its hold before the upstream call; closed once, as charged or as released.

    It carries snapshots (key, models, route, price), so that a receipt never changes and a list needs no join. Once closed the
    database refuses any change but to `refunded_credits` and `metadata` (which goes when an account is closed); the record of a
    task (`task_id`) is paid first and learns its outcome later. Written by wallets/statements.

    Amounts: `*_credits` in credits, `cost_usd` what LiteLLM says the charged usage cost in USD, `absorbed_cost_usd` what tries
    that nobody pays for cost us, `credits_per_litellm_usd` the model's markup, `credits_per_usd_rate` and
    `credits_usd_reference` the display rate at the time of the response and the charge in USD at that rate. `cost_lines` are the
    sum behind `cost_usd`, one `{"class", "tokens", "usd_per_token", "usd"}` for each class of tokens (catalog.cost.cost_lines);
    empty where LiteLLM gave its sum as a whole and where nothing was charged. `replay_of` is the id of the call whose answer was sent
    again under its Idempotency-Key: such a record is written closed and costs nothing.
    """

    id = models.CharField(primary_key=True, max_length=40, db_collation="C", help_text="chatcmpl_… or tsk_…, as the caller sees it.")
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="usage", db_index=False)
    process_id = models.CharField("process", max_length=64, db_default="")
    request_id = models.CharField(max_length=128, db_default="")
    capability = models.CharField(max_length=32)
    key_id = models.BigIntegerField(null=True, blank=True)
    key_prefix = models.CharField(max_length=16, db_default="", blank=True)
    key_name = models.CharField(max_length=200, db_default="", blank=True)
    model_asked = models.CharField(max_length=200, db_default="")
    model = models.CharField(max_length=200, db_default="")
    route = models.CharField(max_length=200, db_default="")
    task_id = models.CharField(max_length=40, db_default="", blank=True)
    replay_of = models.CharField(max_length=40, db_default="", blank=True, help_text="The call whose answer was sent again.")
    stream = models.BooleanField(db_default=False)

    status = models.CharField(max_length=16, choices=UsageStatus)
    outcome = models.CharField(max_length=32, db_default="", blank=True)
    clause = models.CharField(max_length=32, choices=UsageClause, db_default="", blank=True)
    error_code = models.CharField(max_length=64, db_default="", blank=True)
    estimated = models.BooleanField(db_default=False)
    alert = models.CharField(max_length=64, db_default="", blank=True)

    hold_credits = CreditsField()
    charged_credits = CreditsField(db_default=0)
    refunded_credits = CreditsField(db_default=0)
    cost_usd = UsdField(db_default=0)
    absorbed_cost_usd = UsdField(db_default=0)
    credits_per_litellm_usd = models.DecimalField(max_digits=18, decimal_places=6, null=True, blank=True)
    price_version = models.IntegerField(null=True, blank=True)
    cost_source = models.CharField(max_length=240, db_default="", blank=True)
    credits_per_usd_rate = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    credits_usd_reference = models.DecimalField(max_digits=24, decimal_places=4, null=True, blank=True)

    prompt_tokens = models.BigIntegerField(db_default=0)
    cached_tokens = models.BigIntegerField(db_default=0)
    cache_write_tokens = models.BigIntegerField(db_default=0)
    completion_tokens = models.BigIntegerField(db_default=0)
    reasoning_tokens = models.BigIntegerField(db_default=0)

    cost_lines = models.JSONField(db_default=[], blank=True)
    attempts = models.JSONField(db_default=[])
    metadata = models.JSONField(db_default={})
    latency_ms = models.IntegerField(null=True, blank=True)
    first_output_ms = models.IntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = UsageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(id=""), name="usage_id_given"),
            models.CheckConstraint(condition=Q(status__in=UsageStatus.values), name="usage_status_known"),
            models.CheckConstraint(condition=Q(clause__in=["", *UsageClause.values]), name="usage_clause_known"),
            models.CheckConstraint(
                condition=Q(status="open", closed_at__isnull=True) | (~Q(status="open") & Q(closed_at__isnull=False)),
                name="usage_closed_has_its_time",
            ),
            models.CheckConstraint(condition=Q(status="charged") | Q(charged_credits=0), name="usage_only_charged_costs"),
            models.CheckConstraint(
                condition=~Q(status="charged")
                | Q(credits_per_usd_rate__isnull=False, credits_usd_reference__isnull=False, price_version__isnull=False),
                name="usage_charged_has_price_and_rate",
            ),
            models.CheckConstraint(condition=Q(clause="replay") | Q(replay_of=""), name="usage_only_replays_repeat"),
            models.CheckConstraint(condition=Q(hold_credits__gte=0), name="usage_hold_not_negative"),
            models.CheckConstraint(
                condition=Q(refunded_credits__gte=0, refunded_credits__lte=F("charged_credits")), name="usage_refund_within_charge"
            ),
            models.CheckConstraint(condition=Q(cost_usd__gte=0, absorbed_cost_usd__gte=0), name="usage_costs_not_negative"),
            models.CheckConstraint(
                condition=Q(
                    prompt_tokens__gte=0,
                    cached_tokens__gte=0,
                    cache_write_tokens__gte=0,
                    completion_tokens__gte=0,
                    reasoning_tokens__gte=0,
                ),
                name="usage_tokens_not_negative",
            ),
        ]
        indexes = [
            models.Index(F("wallet"), F("created_at").desc(), F("id").desc(), name="usage_by_wallet"),
            # A key is of one wallet. A request id is the caller's: others may use the same
            models.Index(F("key_id"), F("created_at").desc(), F("id").desc(), name="usage_by_key", condition=Q(key_id__isnull=False)),
            models.Index(F("wallet"), F("model"), F("created_at").desc(), F("id").desc(), name="usage_by_model"),
            models.Index(F("request_id"), F("wallet"), F("created_at").desc(), F("id").desc(), name="usage_by_request"),
            # What most calls are costs no index anything
            models.Index(
                F("wallet"),
                F("clause"),
                F("created_at").desc(),
                F("id").desc(),
                name="usage_by_rare_clause",
                condition=~Q(clause__in=["", UsageClause.COMPLETE]),
            ),
            models.Index(F("wallet"), F("created_at").desc(), F("id").desc(), name="usage_estimated", condition=Q(estimated=True)),
            models.Index(
                F("wallet"), F("outcome"), F("created_at").desc(), F("id").desc(), name="usage_of_tasks", condition=~Q(task_id="")
            ),
            models.Index(fields=["process_id"], name="usage_open_by_process", condition=Q(status="open")),
            # What staff must look at (wallets/alerts.py)
            models.Index(F("created_at").desc(), name="usage_with_alert", condition=~Q(alert="")),
            models.Index(F("created_at").desc(), name="usage_absorbed", condition=Q(absorbed_cost_usd__gt=0)),
        ]

    def __str__(self) -> str:
        return self.id
