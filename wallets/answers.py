"""The answers of the wallet and usage endpoints."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from contract.answers import Count, Credits, CreditsPerUsd, Time, Usd, UsdReference

Clause = Annotated[
    Literal["replay", "not_sent", "lost", "stopped", "cut_by_limit", "upstream_failed", "empty", "drained", "complete"],
    Field(description="The line of the billing policy by which the call was charged, or not."),
]


ExactUsd = Annotated[str, Field(pattern=r"^\d+(\.\d+)?$", examples=["0.0000003"])]
"""USD with as many places as there are."""


class WalletAnswer(BaseModel):
    """The credits of the key's account."""

    object: Literal["wallet"]
    balance: Credits
    held: Credits = Field(description="Held by calls in flight.")
    available: Credits = Field(description="`balance - held`: what new calls may hold.")
    credits_per_usd_rate: CreditsPerUsd = Field(description="By which credits are shown in USD, for display only.")


class CostLine(BaseModel):
    """One class of tokens in the cost of a call. Each token is in one class."""

    token_class: Literal["input", "cached", "cache_write", "audio_input", "output", "reasoning", "audio_output"] = Field(alias="class")
    tokens: Count
    usd_per_token: ExactUsd
    usd: ExactUsd = Field(description="`tokens x usd_per_token`. The lines' sum, rounded half up to twelve places, is `cost_usd`.")


class UsageReceipt(BaseModel):
    """The receipt of one call: `credits = cost_usd x credits_per_litellm_usd`, rounded half up to four places. Or of one task:
    `credits = credits_per_task`, charged when it is created and given back as `refunded_credits` unless it succeeds."""

    id: str = Field(examples=["chatcmpl_01JZ0000000000000000000000"])
    object: Literal["usage"]
    status: Literal["open", "charged", "released"] = Field(
        description="`open` while the call runs; `released`: nothing was charged. A task is charged from its creation on."
    )
    clause: Clause | None = Field(description="Null while the call or task runs, and of a task that was canceled once it ran.")
    outcome: Literal["succeeded", "failed", "canceled"] | None = Field(
        description="How the task ended: unless it succeeded its price was refunded. Null while it runs, and of a call."
    )
    capability: str = Field(examples=["chat"])
    model: str = Field(description="As asked for.", examples=["auto"])
    resolved_model: str = Field(description="The model that answered, or was asked last.", examples=["MiniMax-M2.7"])
    stream: bool
    replay_of: str | None = Field(description="The call whose answer was sent again, for its Idempotency-Key; null on any other call.")
    key_prefix: str
    key_name: str
    request_id: str
    prompt_tokens: Count = Field(description="The whole prompt, cached and written tokens included.")
    cached_tokens: Count = Field(description="Of the prompt, read from the provider's cache.")
    cache_write_tokens: Count = Field(description="Of the prompt, written to the provider's cache.")
    completion_tokens: Count = Field(description="The whole output, reasoning included.")
    reasoning_tokens: Count = Field(description="Of the output, spent on thinking.")
    estimated: bool = Field(description="Whether the tokens are our estimate, for want of the provider's count.")
    cost_usd: Usd = Field(description="LiteLLM's cost of the call in USD; 0 of a task.")
    cost_lines: list[CostLine] = Field(description="The sum behind `cost_usd`; empty where LiteLLM did it as a whole.")
    credits_per_litellm_usd: CreditsPerUsd | None = Field(description="The model's price when the call began. Null of a task.")
    credits_per_task: Credits | None = Field(description="The model's flat price when the task was created. Null of a call.")
    price_version: int | None
    hold_credits: Credits = Field(description="The most it could cost with the model that answered, or was asked last; held until its end.")
    credits: Credits = Field(description="The charge.")
    refunded_credits: Credits
    credits_per_usd_rate: CreditsPerUsd | None = Field(description="Null unless charged.")
    credits_usd_reference: UsdReference | None = Field(description="The charge in USD at that rate, for display only.")
    error_code: str | None = Field(description="Null for a call that was answered.")
    latency_ms: Count | None = Field(description="Milliseconds from the request to the end.")
    first_output_ms: Count | None = Field(description="Milliseconds from the request to the first output of a stream.")
    metadata: dict[str, str] = Field(description="As given with the call.")
    created_at: Time
    closed_at: Time | None = Field(description="When it was charged, or released.")
