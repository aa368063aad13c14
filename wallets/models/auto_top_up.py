"""What a customer has allowed us to charge to a saved card when the wallet runs low, and how that goes."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from wallets.models.top_up import AmountField, Provider
from wallets.models.wallet import CreditsField, Wallet


class AutoTopUp(models.Model):
    """A wallet's automatic top-up. Written with the wallet locked, by terms.py, outcomes.py and cards.py of
    wallets/automatic_top_ups only.

    On, and with a balance below `threshold_credits`, the card is charged `amount_usd`: one TopUp of kind `auto` at a time, never
    before `next_try_at`, and in a calendar month (UTC) `monthly_ceiling_usd` at most. Of the card we keep what a customer knows it
    by, and the provider's names of it.
    """

    class OffReason(models.TextChoices):
        CUSTOMER = "customer", "switched off by the customer"
        CARD_REMOVED = "card_removed", "the card was removed"
        NEW_CARD = "new_card", "another card was saved"
        FAILURES = "failures", "payments failed"
        SUSPENDED = "suspended", "the account is not active"
        DISPUTED = "disputed", "a payment was disputed"
        REFUNDED = "refunded", "a payment was refunded"
        STAFF = "staff", "switched off by staff"

    wallet = models.OneToOneField(Wallet, on_delete=models.PROTECT, related_name="auto_top_up")
    threshold_credits = CreditsField("threshold in credits")
    amount_usd = AmountField("amount in USD")
    monthly_ceiling_usd = AmountField("monthly ceiling in USD")
    is_on = models.BooleanField("on", default=False)
    off_reason = models.CharField(max_length=16, choices=OffReason, blank=True, default="")
    failures = models.PositiveSmallIntegerField("failures in a row", default=0)
    next_try_at = models.DateTimeField(default=timezone.now)

    provider = models.CharField(max_length=16, choices=Provider, blank=True, default="")
    customer_id = models.CharField(max_length=255, blank=True, default="", db_collation="C")
    payment_method_id = models.CharField(max_length=255, blank=True, default="", db_collation="C")
    card_brand = models.CharField(max_length=32, blank=True, default="")
    card_last4 = models.CharField(max_length=4, blank=True, default="")
    card_expires = models.CharField(max_length=7, blank=True, default="", help_text="MM/YYYY")
    has_old_cards = models.BooleanField(default=False, help_text="The provider has yet to forget a card that was replaced or removed.")
    old_cards_asked_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(
        max_length=200, blank=True, default="", help_text="Why the provider's word about the card being entered was refused."
    )

    # The provider's page where a card is being entered: `setup_id` is our name for it
    setup_id = models.CharField(max_length=40, blank=True, default="", db_collation="C")
    setup_session_id = models.CharField(max_length=255, blank=True, default="", db_collation="C")
    setup_url = models.TextField(blank=True, default="")
    setup_expires_at = models.DateTimeField(null=True, blank=True)
    setup_asked_at = models.DateTimeField(null=True, blank=True)

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    switched_at = models.DateTimeField("last switched on or off", null=True, blank=True)

    class Meta:
        verbose_name = "automatic top-up"
        constraints = [
            models.CheckConstraint(condition=Q(threshold_credits__gt=0, amount_usd__gt=0), name="auto_top_up_above_zero"),
            models.CheckConstraint(condition=Q(monthly_ceiling_usd__gte=F("amount_usd")), name="auto_top_up_ceiling_holds_one"),
            models.CheckConstraint(
                condition=Q(is_on=False) | (~Q(payment_method_id="") & Q(off_reason="")), name="auto_top_up_on_has_card"
            ),
            models.CheckConstraint(
                condition=Q(
                    off_reason__in=["", "customer", "card_removed", "new_card", "failures", "suspended", "disputed", "refunded", "staff"]
                ),
                name="auto_top_up_off_reason_known",
            ),
            models.CheckConstraint(condition=Q(provider__in=["", "stripe", "sandbox"]), name="auto_top_up_provider_known"),
            models.CheckConstraint(
                condition=Q(payment_method_id="", card_last4="") | ~(Q(provider="") | Q(customer_id="") | Q(payment_method_id="")),
                name="auto_top_up_card_is_whole",
            ),
            models.CheckConstraint(condition=Q(setup_id="") | Q(setup_expires_at__isnull=False), name="auto_top_up_setup_ends"),
            models.UniqueConstraint(fields=["setup_id"], condition=~Q(setup_id=""), name="auto_top_up_setup_unique"),
        ]
        indexes = [
            # What beat looks through
            models.Index(fields=["next_try_at"], name="auto_top_up_on", condition=Q(is_on=True)),
            models.Index(fields=["setup_expires_at"], name="auto_top_up_setup_open", condition=~Q(setup_id="")),
            models.Index(fields=["id"], name="auto_top_up_old_cards", condition=Q(has_old_cards=True)),
        ]

    def __str__(self) -> str:
        return f"automatic top-up of {self.wallet}"

    @property
    def has_card(self) -> bool:
        """Whether a card is saved."""
        return bool(self.payment_method_id)

    @property
    def card(self) -> str:
        """The saved card as its owner knows it; empty without one. "Visa ending in 4242, expires 12/2034"."""
        return f"{self.card_name}, expires {self.card_expires}" if self.has_card else ""

    @property
    def card_name(self) -> str:
        """The saved card in short, as a receipt names it; empty without one. "Visa ending in 4242"."""
        return f"{self.card_brand.replace('_', ' ').title() or 'Card'} ending in {self.card_last4}" if self.has_card else ""
