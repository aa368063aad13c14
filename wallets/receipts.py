"""A usage record as the API shows it: the receipt of a call or a task. No route, no provider, none of our own costs is in it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from contract.answers import time_text
from wallets.models import UsageRecord
from wallets.money import as_text

# In the order a reader expects, which PostgreSQL's JSON does not keep
_OF_A_LINE = ("class", "tokens", "usd_per_token", "usd")


def receipt(record: UsageRecord) -> dict[str, Any]:
    """The shape `wallets.answers.UsageReceipt`, of open records too."""
    is_task = bool(record.task_id)
    return {
        "id": record.id,
        "object": "usage",
        "status": record.status,
        "clause": record.clause or None,
        "outcome": (record.outcome or None) if is_task else None,
        "capability": record.capability,
        "model": record.model_asked,
        "resolved_model": record.model,
        "stream": record.stream,
        "replay_of": record.replay_of or None,
        "key_prefix": record.key_prefix,
        "key_name": record.key_name,
        "request_id": record.request_id,
        "prompt_tokens": record.prompt_tokens,
        "cached_tokens": record.cached_tokens,
        "cache_write_tokens": record.cache_write_tokens,
        "completion_tokens": record.completion_tokens,
        "reasoning_tokens": record.reasoning_tokens,
        "estimated": record.estimated,
        # That of a task is what its provider takes from us, and no part of its price
        "cost_usd": f"{Decimal(0) if is_task else record.cost_usd:.12f}",
        "cost_lines": [{name: line[name] for name in _OF_A_LINE} for line in record.cost_lines],
        "credits_per_litellm_usd": None if record.credits_per_litellm_usd is None else as_text(record.credits_per_litellm_usd),
        "credits_per_task": as_text(record.hold_credits) if is_task else None,
        "price_version": record.price_version,
        "hold_credits": as_text(record.hold_credits),
        "credits": as_text(record.charged_credits),
        "refunded_credits": as_text(record.refunded_credits),
        "credits_per_usd_rate": None if record.credits_per_usd_rate is None else as_text(record.credits_per_usd_rate),
        "credits_usd_reference": None if record.credits_usd_reference is None else as_text(record.credits_usd_reference),
        "error_code": record.error_code or None,
        "latency_ms": record.latency_ms,
        "first_output_ms": record.first_output_ms,
        "metadata": record.metadata,
        "created_at": time_text(record.created_at),
        "closed_at": None if record.closed_at is None else time_text(record.closed_at),
    }
