"""What the API document says of the wallet and of receipts."""

from __future__ import annotations

from typing import Any, Final

from contract.operation import Example, Operation, PathParameter
from wallets.answers import UsageReceipt, WalletAnswer

_TASK_ID: Final = "tsk_01JZ5Q3V8YB6K2N4P7R9T1V3X5"
_ID: Final = "chatcmpl_01JZ5Q3V8YB6K2N4P7R9T1V3X5"

GET_WALLET: Final = Operation(
    id="getWallet",
    tag="Wallet",
    status="Preview",
    answer=WalletAnswer,
    answer_words="The wallet.",
    answer_examples={
        "wallet": Example(
            "A wallet with a call in flight",
            {
                "object": "wallet",
                "balance": "1000.0000",
                "held": "12.5000",
                "available": "987.5000",
                "credits_per_usd_rate": "1000.0000",
            },
        )
    },
)
_CHARGED: Final[dict[str, Any]] = {
    "id": _ID,
    "object": "usage",
    "status": "charged",
    "clause": "complete",
    "outcome": None,
    "capability": "chat",
    "model": "auto",
    "resolved_model": "MiniMax-M2.7",
    "stream": False,
    "replay_of": None,
    "key_prefix": "sk-bt-Ab12Cd",
    "key_name": "production",
    "request_id": "order-4711",
    "prompt_tokens": 40,
    "cached_tokens": 0,
    "cache_write_tokens": 0,
    "completion_tokens": 100,
    "reasoning_tokens": 0,
    "estimated": False,
    "cost_usd": "0.000132000000",
    "cost_lines": [
        {"class": "input", "tokens": 40, "usd_per_token": "0.0000003", "usd": "0.000012"},
        {"class": "output", "tokens": 100, "usd_per_token": "0.0000012", "usd": "0.00012"},
    ],
    "credits_per_litellm_usd": "1500.0000",
    "credits_per_task": None,
    "price_version": 1,
    "hold_credits": "7.3920",
    "credits": "0.1980",
    "refunded_credits": "0.0000",
    "credits_per_usd_rate": "1000.0000",
    "credits_usd_reference": "0.0002",
    "error_code": None,
    "latency_ms": 840,
    "first_output_ms": None,
    "metadata": {},
    "created_at": "2026-01-31T12:00:00.000000Z",
    "closed_at": "2026-01-31T12:00:00.840000Z",
}
_OF_TASK: Final = _CHARGED | {
    "id": _TASK_ID,
    "clause": "upstream_failed",
    "outcome": "failed",
    "capability": "text_to_music",
    "resolved_model": "suno-5.5",
    "prompt_tokens": 0,
    "completion_tokens": 0,
    "cost_usd": "0.000000000000",
    "cost_lines": [],
    "credits_per_litellm_usd": None,
    "credits_per_task": "80.0000",
    "hold_credits": "80.0000",
    "credits": "80.0000",
    "refunded_credits": "80.0000",
    "credits_usd_reference": "0.0800",
    "error_code": "upstream_timeout",
    "latency_ms": 900000,
    "closed_at": "2026-01-31T12:00:00.000000Z",
}

GET_USAGE: Final = Operation(
    id="getUsage",
    tag="Wallet",
    status="Preview",
    answer=UsageReceipt,
    answer_words="The receipt.",
    answer_examples={
        "charged": Example("A call that was answered and charged", _CHARGED),
        "task": Example("A task that failed and was refunded", _OF_TASK),
    },
    path_parameters={"id": PathParameter("The `id` of a chat completion, or the `task_id` of a task.", _ID)},
)
