"""A receipt: what one call cost and why, worked out from its usage record and the ledger entries behind it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from beatra_site.dashboard.clauses import Clause, clause_of
from catalog.seed import SANDBOX_ROUTE
from wallets import money
from wallets.models import LedgerEntry, UsageRecord, UsageStatus


@dataclass(frozen=True)
class Line:
    """One class of tokens of a call. `note` says where it is already counted in another line."""

    label: str
    tokens: int
    note: str = ""


@dataclass(frozen=True)
class Receipt:
    """What the page shows. All amounts in credits but `cost_usd` and the references.

    `product` is `cost_usd x credits_per_litellm_usd` before rounding; `difference` is what of the hold became free again,
    negative where the true prompt was larger than estimated and more than the hold was charged.
    """

    record: UsageRecord
    clause: Clause
    lines: tuple[Line, ...]
    product: Decimal | None
    difference: Decimal
    entries: tuple[LedgerEntry, ...]
    metadata: tuple[tuple[str, str], ...]

    @property
    def is_open(self) -> bool:
        return self.record.status == UsageStatus.OPEN

    @property
    def is_of_sandbox(self) -> bool:
        """Whether the sandbox stood in for the model."""
        return self.record.route == SANDBOX_ROUTE

    @property
    def is_charged(self) -> bool:
        return self.record.status == UsageStatus.CHARGED

    @property
    def beyond(self) -> Decimal:
        """Credits charged on top of the hold."""
        return max(-self.difference, Decimal(0))

    @property
    def is_rounded(self) -> bool:
        return self.product is not None and self.product != self.record.charged_credits


def receipt_of(record: UsageRecord) -> Receipt:
    """The receipt of a record, open ones included."""
    product = None
    if record.status == UsageStatus.CHARGED and record.credits_per_litellm_usd is not None:
        product = money.product(record.cost_usd, credits_per_usd=record.credits_per_litellm_usd)
    return Receipt(
        record=record,
        clause=clause_of(record),
        lines=_lines(record),
        product=product,
        difference=record.hold_credits - record.charged_credits,
        entries=tuple(LedgerEntry.objects.filter(usage_record=record).order_by("seq")),
        # as pairs: a template would read a caller's key named "items" for the method
        metadata=tuple(record.metadata.items()),
    )


def _lines(record: UsageRecord) -> tuple[Line, ...]:
    lines = [
        Line("Prompt", record.prompt_tokens),
        Line("read from the provider's cache", record.cached_tokens, note="part of the prompt"),
        Line("written to the provider's cache", record.cache_write_tokens, note="part of the prompt"),
        Line("Output", record.completion_tokens),
        Line("reasoning", record.reasoning_tokens, note="part of the output"),
    ]
    return tuple(line for line in lines if line.tokens or not line.note)
