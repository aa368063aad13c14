"""How many log probabilities an answer may carry: each is many times the size of the token it is of, and nothing is charged for it."""

from __future__ import annotations

from chat.schema import ChatRequest
from contract.errors import ApiError

# An answer with so many is 7 to 15 MB, which are parsed, rebuilt, written, and with an Idempotency-Key kept for a retry. They are
# 4 700 tokens with the twenty likeliest beside each, or all that a model can say with none.
MOST = 100_000
# In an answer, at the most on average: a word of another script than ours, byte by byte, takes twice or thrice what a Latin one does.
BYTES_OF_ONE = 256


def most(request: ChatRequest, *, limit: int) -> int:
    """How many log probabilities come at the most with an output limit of `limit` tokens per choice: 0 where none are asked for."""
    return request.choices * limit * (1 + (request.top_logprobs or 0)) if request.logprobs else 0


def too_many(request: ChatRequest) -> ApiError:
    """The refusal of a request whose answer would carry more than `MOST`."""
    param = "/top_logprobs" if request.top_logprobs else "/n" if request.choices > 1 else "/logprobs"
    return ApiError(
        "invalid_request",
        f"The answer may carry at most {MOST} log probabilities: n x output limit x (1 + top_logprobs). "
        "Ask for fewer top_logprobs, fewer choices, or a lower max_completion_tokens.",
        param=param,
    )
