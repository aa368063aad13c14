"""A customer's credits: the wallet, the ledger behind its balance, and how many credits one USD is worth.

Rules that hold everywhere (design.md 3): every change to a balance is one LedgerEntry with a unique reference, written in the
transaction that caused it; whoever moves money locks the wallet first, then the rest. The database itself keeps entries and
rates from being changed or deleted (triggers of the first migration).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.conf import settings
from django.db import OperationalError, connection, models
from django.db.models import F, Q
from django.utils import timezone
from psycopg.errors import LockNotAvailable, QueryCanceled

from accounts.models import Account
from contract import limits

LOCK_TIMEOUT = "2s"


class CreditsField(models.DecimalField):  # type: ignore[type-arg]  # generic in the stubs alone
    """An amount of credits, four places: NUMERIC(18, 4)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs |= {"max_digits": 18, "decimal_places": 4}
        super().__init__(*args, **kwargs)


class UsdField(models.DecimalField):  # type: ignore[type-arg]  # generic in the stubs alone
    """An upstream cost in USD, twelve places: NUMERIC(24, 12)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs |= {"max_digits": 24, "decimal_places": 12}
        super().__init__(*args, **kwargs)


class WalletBusyError(OperationalError):
    """Another transaction has the wallet, or what hangs on it, locked for longer than LOCK_TIMEOUT, or this one would keep it locked for
    too long (budgets.SUM_TIMEOUT). The text is for the customer."""

    def __init__(self) -> None:
        super().__init__("Your wallet is busy with something else. Nothing was saved; try again.")


@contextmanager
def brief_locks() -> Iterator[None]:
    """Until the caller's transaction ends no lock waits longer than LOCK_TIMEOUT. One that would in here, or a statement that is ended for
    having run too long, raises WalletBusyError."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("select set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        yield
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable | QueryCanceled):
            raise
        raise WalletBusyError from error.__cause__


class WalletManager(models.Manager["Wallet"]):
    def lock(self, wallet_id: int) -> Wallet:
        """The wallet, locked until the caller's transaction ends; waits at most LOCK_TIMEOUT, then raises WalletBusyError.

        Every money transaction outside wallets/statements begins with this, before it locks or writes anything else.
        """
        with brief_locks():
            return self.select_for_update(no_key=True).get(pk=wallet_id)


class Wallet(models.Model):
    """The credits of one account. `balance - held` is what new calls may hold.

    `held` is the sum of its open usage records' holds and `in_flight` their number; `entries` counts its ledger entries and is
    the `seq` of the newest. All four are written by wallets/statements and wallets/ledger.py only, with the rows they count.
    """

    account = models.OneToOneField(Account, on_delete=models.PROTECT, related_name="wallet")
    balance = CreditsField(default=0, editable=False)
    held = CreditsField(default=0, editable=False)
    in_flight = models.IntegerField(default=0, editable=False)
    entries = models.BigIntegerField(default=0, editable=False)
    max_in_flight = models.IntegerField(
        "calls in flight, at most", default=limits.CALLS_IN_FLIGHT, help_text="Calls of this account that may run at the same time."
    )
    # wallets/low_balance.py
    low_balance_credits = CreditsField("mail below", null=True, blank=True, editable=False)
    low_balance_told_at = models.DateTimeField(null=True, blank=True, editable=False)
    # 0 where no key ever had a spend cap. A statement that began before a change finds it by this (wallets/batch.py)
    caps_version = models.IntegerField(default=0, db_default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[WalletManager] = WalletManager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(held__gte=0), name="wallet_held_not_negative"),
            models.CheckConstraint(condition=Q(in_flight__gte=0), name="wallet_in_flight_not_negative"),
            models.CheckConstraint(condition=Q(entries__gte=0), name="wallet_entries_not_negative"),
            models.CheckConstraint(condition=Q(max_in_flight__gte=0), name="wallet_max_in_flight_not_negative"),
            models.CheckConstraint(condition=Q(in_flight__gt=0) | Q(held=0), name="wallet_holds_only_in_flight"),
            models.CheckConstraint(condition=Q(low_balance_credits__gt=0), name="wallet_low_balance_above_zero"),
        ]
        # Nothing of the balance is in it: every call changes that, and would have to write the index too
        indexes = [models.Index(fields=["id"], name="wallet_low_balance_watched", condition=Q(low_balance_credits__isnull=False))]

    def __str__(self) -> str:
        return str(self.account)  # staff know a wallet by its account's email address

    @property
    def available(self) -> Any:
        """Credits that no call in flight holds; negative when the wallet is below zero."""
        return self.balance - self.held


class EntryKind(models.TextChoices):
    WELCOME = "welcome"
    GRANT = "grant"
    CHARGE = "charge"
    REFUND = "refund"
    ADJUSTMENT = "adjustment"
    TOPUP = "topup", "top-up"
    TOPUP_REFUND = "topup_refund", "top-up refund"
    DISPUTE = "dispute"
    DISPUTE_WON = "dispute_won", "dispute won"
    VOUCHER = "voucher"
    CLOSURE = "closure"


class LedgerEntry(models.Model):
    """One change of a wallet's balance, and the balance after it. Append-only: the database refuses UPDATE, DELETE and TRUNCATE.

    `amount` is signed credits. `seq` is the wallet's own counter from 1 without gaps. `reference` names the cause once and for
    all (`charge:<usage id>`, `refund:<task id>`, `topup:<id>`), so that the same cause can't move money twice.
    """

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="ledger", db_index=False)
    seq = models.BigIntegerField()
    kind = models.CharField(max_length=16, choices=EntryKind)
    amount = CreditsField()
    balance_after = CreditsField()
    reference = models.CharField(max_length=100, unique=True, db_collation="C")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    reason = models.TextField(blank=True, db_default="")
    usage_record = models.ForeignKey(
        "wallets.UsageRecord", on_delete=models.PROTECT, null=True, blank=True, related_name="ledger", db_index=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "ledger entries"
        constraints = [
            models.UniqueConstraint(fields=["wallet", "seq"], name="entry_seq_unique"),
            models.CheckConstraint(condition=Q(seq__gte=1), name="entry_seq_from_one"),
            models.CheckConstraint(condition=~Q(reference=""), name="entry_reference_given"),
            models.CheckConstraint(condition=Q(kind__in=EntryKind.values), name="entry_kind_known"),
            models.CheckConstraint(
                condition=Q(kind__in=["welcome", "grant", "refund", "topup", "dispute_won", "voucher"], amount__gt=0)
                | Q(kind="charge", amount__lte=0)
                | Q(kind__in=["closure", "topup_refund", "dispute"], amount__lt=0)
                | (Q(kind="adjustment") & ~Q(amount=0)),
                name="entry_amount_fits_kind",
            ),
            models.CheckConstraint(condition=~Q(kind="charge") | Q(usage_record__isnull=False), name="entry_charge_names_usage"),
        ]
        indexes = [
            models.Index(fields=["usage_record"], name="entry_by_usage", condition=Q(usage_record__isnull=False)),
            models.Index(fields=["actor"], name="entry_by_actor", condition=Q(actor__isnull=False)),
            # Charges, which are most entries and written with every call, are found by (wallet, seq) and cost no index more
            models.Index(F("wallet"), F("kind"), F("seq").desc(), name="entry_by_rare_kind", condition=~Q(kind="charge")),
            models.Index(F("wallet"), F("seq").desc(), name="entry_no_charge", condition=~Q(kind="charge")),
        ]

    def __str__(self) -> str:
        return self.reference


class CreditsPerUsdRate(models.Model):
    """How many credits show as one USD, from `effective_from` on; for one wallet, or for the site where `wallet` is empty.

    A display rate only: it never moves money. Versioned: a change is a new row; the database refuses UPDATE and DELETE. Read by
    `settle` (wallets/statements/settle.py), where a wallet's own newest rate comes before the site's. `manage.py seed` sets the first.
    """

    wallet = models.ForeignKey(
        Wallet, on_delete=models.PROTECT, null=True, blank=True, related_name="rates", help_text="Empty: the whole site.", db_index=False
    )
    value = models.DecimalField("credits per USD", max_digits=12, decimal_places=4)
    effective_from = models.DateTimeField(default=timezone.now)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+", editable=False)
    reason = models.TextField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "credits-per-USD rate"
        constraints = [
            models.CheckConstraint(condition=Q(value__gt=0), name="rate_above_zero"),
            models.CheckConstraint(condition=~Q(reason=""), name="rate_reason_given"),
        ]
        indexes = [models.Index(F("wallet"), F("effective_from").desc(), F("id").desc(), name="rate_newest_first")]

    def __str__(self) -> str:
        return f"{self.value} credits per USD from {self.effective_from:%Y-%m-%d %H:%M}"
