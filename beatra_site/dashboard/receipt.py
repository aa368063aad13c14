"""A receipt: what one call or task cost and why, worked out from its usage record and the ledger entries behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from beatra_site.dashboard.clause import Clause
from beatra_site.dashboard.clauses import clause_of
from beatra_site.dashboard.task_outcomes import BY_STAFF
from catalog.seed import SANDBOX_ROUTE
from contract.errors import ERRORS, ErrorCode
from tasks_app import by_staff
from wallets import money
from wallets.models import PAID_CLAUSES, LedgerEntry, UsageRecord, UsageStatus

MILLION = 1_000_000
CLASSES = {
    "input": "Prompt",
    "cached": "Prompt, read from the provider's cache",
    "cache_write": "Prompt, written to the provider's cache",
    "audio_input": "Prompt, audio",
    "output": "Output",
    "reasoning": "Output, reasoning",
    "audio_output": "Output, audio",
}
# What became of a try, by its code
TRIES = {
    "answered": "answered",
    "upstream_timeout": "gave no answer in time",
    "model_unavailable": "was overloaded",
    "invalid_request": "refused the request",
    "context_length_exceeded": "found the prompt too long",
    "payload_too_large": "found the request too large",
    "safety_rejected": "refused the content",
    "cut_by_limit": "was cut by a limit",
    "stopped": "was stopped when you left",
    "internal_error": "was broken off by us",
    "unknown": "was lost by us",
}


@dataclass(frozen=True)
class CostLine:
    """One class of tokens at its rate: `tokens` x `usd_per_token` is `usd`, to the last digit."""

    label: str
    tokens: int
    usd_per_token: Decimal
    usd: Decimal

    @property
    def usd_per_million(self) -> Decimal:
        return money.product(self.usd_per_token, credits_per_usd=Decimal(MILLION))


@dataclass(frozen=True)
class Tokens:
    """One class of tokens of a call without rates. `note` says where it is already counted in another line."""

    label: str
    count: int
    note: str = ""


@dataclass(frozen=True)
class Try:
    """One try at a model in words: "gave no answer in time"; `ms` milliseconds it took, if that is known."""

    model: str
    outcome: str
    ms: int | None


@dataclass(frozen=True)
class Receipt:
    """What the page shows. All amounts in credits but `cost_usd`, the cost lines and the references.

    `product` is `cost_usd x credits_per_litellm_usd` before rounding; `difference` is what of the hold became free again,
    negative where the true prompt was larger than estimated and more than the hold was charged.
    """

    record: UsageRecord
    clause: Clause
    cost_lines: tuple[CostLine, ...]
    tokens: tuple[Tokens, ...]
    tries: tuple[Try, ...]
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
    def is_answered(self) -> bool:
        """Whether the caller got an answer of a model, now or, by a replay, before."""
        return self.is_charged or bool(self.record.replay_of)

    @property
    def is_of_task(self) -> bool:
        """Whether it is a task's: a flat price, charged when the task is created."""
        return bool(self.record.task_id)

    @property
    def ended_at(self) -> datetime | None:
        """When the call or task ended. A task's record is closed when it is charged."""
        if not self.is_of_task:
            return self.record.closed_at
        ms = self.record.latency_ms
        return None if ms is None else self.record.created_at + timedelta(milliseconds=ms)

    @property
    def kept(self) -> Decimal:
        """Credits of the charge that were not given back."""
        charged, refunded = self.record.charged_credits, self.record.refunded_credits
        return Decimal(charged - refunded)

    @property
    def is_paid(self) -> bool:
        """Whether the call's tokens were charged: by another clause, and of a task, nothing is worked out."""
        return self.is_charged and not self.is_of_task and self.record.clause in PAID_CLAUSES

    @property
    def is_below_reference(self) -> bool:
        """Whether the charge is too small for the four places of its reference in USD."""
        return bool(self.record.charged_credits and not self.record.credits_usd_reference)

    @cached_property
    def exact_cost_usd(self) -> Decimal:
        """The sum of the cost lines, before its one rounding to twelve places."""
        total = Decimal(0)
        for line in self.cost_lines:
            total = money.EXACT.add(total, line.usd)
        return total

    @property
    def is_cost_rounded(self) -> bool:
        return bool(self.exact_cost_usd != self.record.cost_usd)

    @property
    def beyond(self) -> Decimal:
        """Credits charged on top of the hold."""
        return max(-self.difference, Decimal(0))

    @property
    def error(self) -> ErrorCode | None:
        """The error the caller was answered."""
        return ERRORS.get(self.record.error_code)


def receipt_of(record: UsageRecord) -> Receipt:
    """The receipt of a record, open ones included."""
    product = None
    if record.status == UsageStatus.CHARGED and record.credits_per_litellm_usd is not None:
        product = money.product(record.cost_usd, credits_per_usd=record.credits_per_litellm_usd)
    return Receipt(
        record=record,
        clause=BY_STAFF if _is_canceled_by_staff(record) else clause_of(record),
        cost_lines=tuple(_cost_line(line) for line in record.cost_lines),
        tokens=_tokens(record),
        tries=tuple(_try(attempt) for attempt in record.attempts),
        product=product,
        difference=record.hold_credits - record.charged_credits,
        entries=tuple(LedgerEntry.objects.filter(usage_record=record).order_by("seq")),
        # as pairs: a template would read a caller's key named "items" for the method
        metadata=tuple(record.metadata.items()),
    )


def _is_canceled_by_staff(record: UsageRecord) -> bool:
    is_canceled_task = bool(record.task_id) and record.outcome == "canceled"
    return is_canceled_task and by_staff.has_canceled(record.pk, account_id=record.wallet.account_id)


def _cost_line(line: Mapping[str, Any]) -> CostLine:
    return CostLine(
        label=CLASSES.get(line["class"], line["class"]),
        tokens=line["tokens"],
        usd_per_token=Decimal(line["usd_per_token"]),
        usd=Decimal(line["usd"]),
    )


def _tokens(record: UsageRecord) -> tuple[Tokens, ...]:
    lines = [
        Tokens("Prompt", record.prompt_tokens),
        Tokens("read from the provider's cache", record.cached_tokens, note="part of the prompt"),
        Tokens("written to the provider's cache", record.cache_write_tokens, note="part of the prompt"),
        Tokens("Output", record.completion_tokens),
        Tokens("reasoning", record.reasoning_tokens, note="part of the output"),
    ]
    return tuple(line for line in lines if line.count or not line.note)


def _try(attempt: Mapping[str, Any]) -> Try:
    """No route and no status of a provider: which one was asked is ours to know."""
    return Try(model=attempt.get("model", ""), outcome=TRIES.get(attempt.get("outcome", "internal_error"), "failed"), ms=attempt.get("ms"))
