"""Credits bought with money: top-ups, disputes about them, and every word of the payment provider about either."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from contract.ids import new_id
from wallets.models.wallet import CreditsField, Wallet

new_top_up_id = partial(new_id, "top")


class AmountField(models.DecimalField):  # type: ignore[type-arg]  # generic in the stubs alone
    """An amount of money in USD as it is paid, two places: NUMERIC(12, 2)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs |= {"max_digits": 12, "decimal_places": 2}
        super().__init__(*args, **kwargs)


class Provider(models.TextChoices):
    STRIPE = "stripe"
    SANDBOX = "sandbox"


class TopUpManager(models.Manager["TopUp"]):
    def lock(self, pk: str) -> TopUp:
        """The top-up as it is now, its wallet locked first, until the caller's transaction ends."""
        Wallet.objects.lock(self.values_list("wallet_id", flat=True).get(pk=pk))
        with_account = self.select_related("wallet__account__user")
        return with_account.select_for_update(no_key=True, of=("self",)).get(pk=pk)


class TopUp(models.Model):
    """One purchase of credits. `amount_usd` and `credits` are fixed when it is made, whatever the rate becomes until it is paid.

    pending: the customer is at the provider's checkout, or (`submitted_at`) has paid in a way that takes the bank days.
    paid: the money was taken and the credits entered, once (`topup:<id>`). failed, expired: the checkout ended without a payment;
    should the provider say later that there was one, it becomes paid after all. An automatic one (wallets/automatic_top_ups/) has no
    checkout: `expires_at` is until when the provider may be asked for its payment again. Refunds and disputes leave the status alone:
    `refunded_usd` is what the provider gave back, `refunded_credits` and `disputed_credits` are what was taken from the wallet for it,
    together never more than `credits`. Written by wallets/top_ups/topups.py only.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        PAID = "paid"
        FAILED = "failed"
        EXPIRED = "expired"

    class Kind(models.TextChoices):
        CHECKOUT = "checkout"
        AUTO = "auto", "Automatic"

    id = models.CharField(primary_key=True, max_length=40, default=new_top_up_id, editable=False, db_collation="C")
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="top_ups", db_index=False)
    provider = models.CharField(max_length=16, choices=Provider)
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.CHECKOUT)
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)

    amount_usd = AmountField("amount in USD")
    currency = models.CharField(max_length=3, default="usd")
    credits = CreditsField()
    credits_per_usd_rate = models.DecimalField("credits per USD", max_digits=12, decimal_places=4)
    refunded_usd = AmountField("refunded in USD", default=Decimal(0))
    refunded_credits = CreditsField(default=Decimal(0))
    disputed_credits = CreditsField(default=Decimal(0), help_text="Of disputes that are open or lost.")

    # The form that asked for it: sent twice it is one top-up
    submission = models.CharField(max_length=80, db_collation="C")
    session_id = models.CharField(max_length=255, blank=True, default="", db_collation="C")
    payment_id = models.CharField(max_length=255, blank=True, default="", db_collation="C")
    checkout_url = models.TextField(blank=True, default="")
    # Of an automatic one, the card it is paid with: whoever asks the provider again must name the same
    customer_id = models.CharField(max_length=255, blank=True, default="", db_collation="C")
    payment_method_id = models.CharField(max_length=255, blank=True, default="", db_collation="C")
    card = models.CharField("the card, as its owner knows it", max_length=60, blank=True, default="")
    failure = models.CharField("why it failed", max_length=200, blank=True, default="")
    problem = models.CharField(
        max_length=200, blank=True, default="", help_text="Why the provider's word was refused when it was asked: staff must look."
    )

    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(help_text="When the provider's checkout ends.")
    asked_at = models.DateTimeField(null=True, blank=True, help_text="When the provider was last asked about it.")
    submitted_at = models.DateTimeField(null=True, blank=True, help_text="When the customer was through with the checkout, still unpaid.")
    paid_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True, help_text="When it failed or expired.")

    objects = TopUpManager()

    class Meta:
        verbose_name = "top-up"
        constraints = [
            models.UniqueConstraint(fields=["wallet", "submission"], name="top_up_once_a_form"),
            models.UniqueConstraint(fields=["provider", "session_id"], condition=~Q(session_id=""), name="top_up_session_unique"),
            models.UniqueConstraint(fields=["provider", "payment_id"], condition=~Q(payment_id=""), name="top_up_payment_unique"),
            # Never two for one dip
            models.UniqueConstraint(fields=["wallet"], condition=Q(kind="auto", status="pending"), name="top_up_one_auto_pending"),
            models.CheckConstraint(condition=~Q(id="") & ~Q(submission=""), name="top_up_named"),
            models.CheckConstraint(
                condition=~Q(kind="auto") | ~(Q(customer_id="") | Q(payment_method_id="")), name="top_up_auto_names_its_card"
            ),
            models.CheckConstraint(condition=Q(provider__in=Provider.values), name="top_up_provider_known"),
            models.CheckConstraint(condition=Q(kind__in=["checkout", "auto"]), name="top_up_kind_known"),
            models.CheckConstraint(condition=Q(status__in=["pending", "paid", "failed", "expired"]), name="top_up_status_known"),
            models.CheckConstraint(condition=Q(currency="usd"), name="top_up_in_usd"),
            models.CheckConstraint(condition=Q(amount_usd__gt=0, credits__gt=0, credits_per_usd_rate__gt=0), name="top_up_above_zero"),
            models.CheckConstraint(condition=Q(refunded_usd__gte=0, refunded_usd__lte=F("amount_usd")), name="top_up_refund_within_amount"),
            models.CheckConstraint(
                condition=Q(refunded_credits__gte=0, disputed_credits__gte=0, credits__gte=F("refunded_credits") + F("disputed_credits")),
                name="top_up_takes_back_no_more_than_it_gave",
            ),
            models.CheckConstraint(
                condition=Q(status="paid", paid_at__isnull=False)
                | (~Q(status="paid") & Q(paid_at__isnull=True, refunded_credits=0, disputed_credits=0)),
                name="top_up_paid_has_its_time",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["failed", "expired"]) | Q(ended_at__isnull=False), name="top_up_ended_has_its_time"
            ),
        ]
        indexes = [
            models.Index(F("wallet"), F("created_at").desc(), F("id").desc(), name="top_up_by_wallet"),
            models.Index(fields=["created_at"], name="top_up_pending", condition=Q(status="pending")),
            # What staff must look at (wallets/alerts.py)
            models.Index(fields=["id"], name="top_up_in_question", condition=~Q(problem="")),
        ]

    def __str__(self) -> str:
        return self.id


class Dispute(models.Model):
    """A payment that its customer's bank has taken back, until somebody decides. `credits` are what the wallet gave for it.

    open and lost take them, won gave them back. `credits` may be fewer than the share of `amount_usd` (some were refunded before),
    and 0 (the top-up was not credited yet, or was refunded as a whole).
    """

    class Status(models.TextChoices):
        OPEN = "open"
        WON = "won"
        LOST = "lost"

    top_up = models.ForeignKey(TopUp, on_delete=models.PROTECT, related_name="disputes", db_index=False)
    dispute_id = models.CharField(max_length=50, db_collation="C")
    status = models.CharField(max_length=16, choices=Status, default=Status.OPEN)
    amount_usd = AmountField("amount in USD")
    credits = CreditsField(default=Decimal(0))
    opened_at = models.DateTimeField(default=timezone.now, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["top_up", "dispute_id"], name="dispute_once"),
            models.CheckConstraint(condition=~Q(dispute_id=""), name="dispute_named"),
            models.CheckConstraint(condition=Q(status__in=["open", "won", "lost"]), name="dispute_status_known"),
            models.CheckConstraint(condition=Q(amount_usd__gt=0, credits__gte=0), name="dispute_amounts_not_negative"),
            models.CheckConstraint(
                condition=Q(status="open", closed_at__isnull=True) | (~Q(status="open") & Q(closed_at__isnull=False)),
                name="dispute_closed_has_its_time",
            ),
        ]

    def __str__(self) -> str:
        return self.dispute_id


class WebhookEvent(models.Model):
    """One event of a payment provider whose signature was right, and what became of it. Delivered again it is only counted.

    Nothing of its body is kept but what stands here.
    """

    class Verdict(models.TextChoices):
        CREDITED = "credited"
        SUBMITTED = "submitted"
        EXPIRED = "expired"
        FAILED = "failed"
        REFUNDED = "refunded"
        DISPUTED = "disputed"
        DISPUTE_WON = "dispute_won", "Dispute won"
        DISPUTE_LOST = "dispute_lost", "Dispute lost"
        CARD_SAVED = "card_saved", "Card saved"
        DUPLICATE = "duplicate"  # says what was known already
        REFUSED = "refused"  # does not fit our books: no money moved, staff must look
        IGNORED = "ignored"  # none of ours, or of no interest

    provider = models.CharField(max_length=16, choices=Provider)
    event_id = models.CharField(max_length=255, db_collation="C")
    type = models.CharField(max_length=100)
    top_up = models.ForeignKey(TopUp, on_delete=models.PROTECT, null=True, blank=True, related_name="webhook_events", db_index=False)
    verdict = models.CharField(max_length=16, choices=Verdict)
    reason = models.CharField(max_length=200, blank=True, default="")
    deliveries = models.IntegerField(default=1)
    received_at = models.DateTimeField(default=timezone.now, editable=False)
    # Of a refused one: who of staff has dealt with it
    seen_at = models.DateTimeField("dealt with", null=True, blank=True)
    seen_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="webhook_event_once"),
            models.CheckConstraint(condition=~Q(event_id="") & ~Q(type=""), name="webhook_event_named"),
            models.CheckConstraint(condition=Q(provider__in=Provider.values), name="webhook_event_provider_known"),
            models.CheckConstraint(
                condition=Q(
                    verdict__in=[
                        "credited",
                        "submitted",
                        "expired",
                        "failed",
                        "refunded",
                        "disputed",
                        "dispute_won",
                        "dispute_lost",
                        "card_saved",
                        "duplicate",
                        "refused",
                        "ignored",
                    ]
                ),
                name="webhook_event_verdict_known",
            ),
            models.CheckConstraint(condition=Q(deliveries__gte=1), name="webhook_event_delivered"),
        ]
        indexes = [
            models.Index(fields=["top_up"], name="webhook_event_by_top_up", condition=Q(top_up__isnull=False)),
            # What staff must look at (wallets/alerts.py)
            models.Index(F("received_at").desc(), name="webhook_event_unseen", condition=Q(verdict="refused", seen_at=None)),
        ]

    def __str__(self) -> str:
        return self.event_id
