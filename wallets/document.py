"""What the API document says of the wallet and of receipts."""

from __future__ import annotations

from typing import Any, Final

from contract.operation import Example, Operation, PathParameter
from wallets.answers import UsageReceipt, WalletAnswer

_ID: Final = "chatcmpl_01JZ5Q3V8YB6K2N4P7R9T1V3X5"
_WALLET: Final = {
    "object": "wallet",
    "balance": "1000.0000",
    "held": "7.3894",
    "available": "992.6106",
    "credits_per_usd_rate": "1000.0000",
}
_RECEIPT: Final[dict[str, Any]] = {
    "id": _ID,
    "object": "usage",
    "status": "charged",
    "clause": "complete",
    "capability": "chat",
    "model": "auto",
    "resolved_model": "MiniMax-M2.7",
    "stream": False,
    "key_prefix": "sk-bt-4fG7kQ",
    "key_name": "production",
    "request_id": "req_01JZ5Q3V8Y0000000000000000",
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
    "price_version": 1,
    "hold_credits": "7.3894",
    "credits": "0.1980",
    "refunded_credits": "0.0000",
    "credits_per_usd_rate": "1000.0000",
    "credits_usd_reference": "0.0002",
    "error_code": None,
    "latency_ms": 1840,
    "first_output_ms": None,
    "metadata": {"order": "7"},
    "created_at": "2026-01-01T00:00:00.000000Z",
    "closed_at": "2026-01-01T00:00:01.840000Z",
}

GET_WALLET: Final = Operation(
    id="getWallet",
    tag="Wallet",
    status="Preview",
    answer=WalletAnswer,
    answer_words="The wallet.",
    answer_examples={"wallet": Example("A wallet with a call in flight", _WALLET)},
)
GET_USAGE: Final = Operation(
    id="getUsage",
    tag="Wallet",
    status="Preview",
    answer=UsageReceipt,
    answer_words="The receipt.",
    answer_examples={"receipt": Example("A call that was answered", _RECEIPT)},
    path_parameters={"id": PathParameter("The call's id, as its answer has it.", _ID)},
)
