"""What has become of a top-up and of its money, in one word for staff. `status` alone knows neither refunds nor disputes."""

from __future__ import annotations

from django.db.models import Case, CharField, Exists, F, OuterRef, Q, QuerySet, TextChoices, Value, When

from wallets.models import Dispute, TopUp


class TopUpStanding(TextChoices):
    PENDING = "pending", "Not paid yet"
    SUBMITTED = "submitted", "On its way"
    PAID = "paid", "Paid"
    PARTLY_REFUNDED = "partly_refunded", "Partly refunded"
    REFUNDED = "refunded", "Refunded"
    DISPUTED = "disputed", "Disputed"
    DISPUTE_LOST = "dispute_lost", "Dispute lost"
    FAILED = "failed", "Failed"
    EXPIRED = "expired", "Expired"


def with_standing(top_ups: QuerySet[TopUp]) -> QuerySet[TopUp]:
    """The top-ups, each with its `standing`. A dispute that is open goes before all else, one that was won leaves no trace."""
    disputes = Dispute.objects.filter(top_up=OuterRef("pk"))
    standing = Case(
        When(Exists(disputes.filter(status=Dispute.Status.OPEN)), then=Value(TopUpStanding.DISPUTED)),
        When(Exists(disputes.filter(status=Dispute.Status.LOST)), then=Value(TopUpStanding.DISPUTE_LOST)),
        When(Q(status=TopUp.Status.PENDING, submitted_at__isnull=False), then=Value(TopUpStanding.SUBMITTED)),
        When(~Q(status=TopUp.Status.PAID), then=F("status")),
        When(refunded_usd=F("amount_usd"), then=Value(TopUpStanding.REFUNDED)),
        When(refunded_usd__gt=0, then=Value(TopUpStanding.PARTLY_REFUNDED)),
        default=Value(TopUpStanding.PAID),
        output_field=CharField(),
    )
    return top_ups.annotate(standing=standing)
