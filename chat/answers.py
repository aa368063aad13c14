"""The answers of the chat endpoints: a completion, a chunk of a streamed one, a quote.

Shapes follow OpenAI's chat completions reference, contract.md, section 2, adds the price to `usage`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from contract.answers import Count, Credits, UsdReference

ChatId = Annotated[str, Field(pattern=r"^chatcmpl_[0-9A-HJKMNP-TV-Z]{26}$", description="Its receipt is at `/v1/usage/{id}`.")]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
Created = Annotated[int, Field(description="When the call began, in seconds since 1970.")]
AnsweringModel = Annotated[str, Field(description="The model that answered, also under `auto`.", examples=["MiniMax-M2.7"])]


# Usage


class PromptTokensDetails(BaseModel):
    """Parts of `prompt_tokens` that have a price of their own."""

    cached_tokens: Count = Field(description="Read from the provider's cache.")


class CompletionTokensDetails(BaseModel):
    """Parts of `completion_tokens` that have a price of their own."""

    reasoning_tokens: Count = Field(description="Spent on thinking.")


class Usage(BaseModel):
    """What the call used, and what was charged for it."""

    prompt_tokens: Count
    completion_tokens: Count = Field(description="Of all choices together, reasoning included.")
    total_tokens: Count
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None
    credits: Credits = Field(description="The charge. It is recorded before the answer is sent.")
    credits_usd_reference: UsdReference = Field(description="The charge in USD at the wallet's rate, for display only.")


# What a model says


class LikelyToken(BaseModel):
    """One token that could have come, and how likely it was."""

    token: str
    logprob: float
    bytes: list[int] | None = None


class TokenLogprob(LikelyToken):
    """A token that came, with those that nearly did."""

    top_logprobs: list[LikelyToken]


class Logprobs(BaseModel):
    content: list[TokenLogprob] | None = None
    refusal: list[TokenLogprob] | None = None


class CalledFunction(BaseModel):
    name: str
    arguments: str = Field(description="JSON as the model wrote it: it may be invalid, check it before use.")


class CalledTool(BaseModel):
    """A function that the model wants called. Its result goes back in a message of role `tool` with this `id`."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class AnswerMessage(BaseModel):
    """What the model said. It may be sent back as it is, as part of the next request's `messages`."""

    role: Literal["assistant"]
    content: str | None = Field(description="Null where the model calls tools or refuses.")
    refusal: str | None = Field(None, description="The model's words where it declines.")
    reasoning_content: str | None = Field(None, description="The model's thinking, where it shows it.")
    tool_calls: list[CalledTool] | None = None


class Choice(BaseModel):
    index: Count
    message: AnswerMessage
    logprobs: Logprobs | None = None
    finish_reason: FinishReason


class ChatCompletion(BaseModel):
    """A finished answer with its price."""

    id: ChatId
    object: Literal["chat.completion"]
    created: Created
    model: AnsweringModel
    choices: list[Choice]
    usage: Usage


# The same in parts


class CalledFunctionPart(BaseModel):
    name: str | None = None
    arguments: str | None = Field(None, description="The next piece of the JSON.")


class CalledToolPart(BaseModel):
    """A piece of a tool call. Pieces with one `index` belong together; the first has the `id` and the name."""

    index: Count
    id: str | None = None
    type: Literal["function"] | None = None
    function: CalledFunctionPart | None = None


class Delta(BaseModel):
    """What is new in a choice. The role comes first."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[CalledToolPart] | None = None


class ChunkChoice(BaseModel):
    index: Count
    delta: Delta
    logprobs: Logprobs | None = None
    finish_reason: FinishReason | None = Field(description="Null until the choice's last chunk.")


class ChatCompletionChunk(BaseModel):
    """One event of a streamed answer. After the last one comes `data: [DONE]`.

    `usage` is on the last chunk with a `finish_reason`; with `stream_options.include_usage` it is on a chunk of its own with
    `choices: []`, and null on the others.
    """

    id: ChatId
    object: Literal["chat.completion.chunk"]
    created: Created
    model: AnsweringModel
    choices: list[ChunkChoice]
    usage: Usage | None = None


# Quote


class Quote(BaseModel):
    """What a chat call would hold, and whether wallet and key carry it. The charge is by true usage, and nearly always less."""

    object: Literal["quote"]
    model: str = Field(description="The model that would be asked first.", examples=["MiniMax-M2.7"])
    hold_credits: Credits = Field(description="What the call would hold until it ends: the most it may cost with this model.")
    most_credits: Credits = Field(description="The most it may cost whichever model and route answers.")
    available_credits: Credits = Field(
        description="What the wallet has that no call in flight holds, whatever the key's spend limits leave of it."
    )
    affordable: bool = Field(description="Whether the wallet and the key's spend limits carry `hold_credits` now.")
    affordable_output_tokens: Count = Field(
        description="The highest output limit per choice whose hold the wallet and the key's spend limits carry now, never above what the "
        "model and its context leave; 0 if none."
    )
