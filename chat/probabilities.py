"""How many log probabilities an answer may carry: each is many times the size of the token it is of, and nothing is charged for it."""

from __future__ import annotations

from chat.schema import ChatRequest
from contract import limits
from contract.errors import ApiError

# In an answer, at the most on average: a word of another script than ours, byte by byte, takes twice or thrice what a Latin one does.
BYTES_OF_ONE = 256


def most(request: ChatRequest, *, limit: int) -> int:
    """How many log probabilities come at the most with an output limit of `limit` tokens per choice: 0 where none are asked for."""
    return request.choices * limit * (1 + (request.top_logprobs or 0)) if request.logprobs else 0


def too_many(request: ChatRequest) -> ApiError:
    """The refusal of a request whose answer would carry more than `limits.LOG_PROBABILITIES`."""
    param = "/top_logprobs" if request.top_logprobs else "/n" if request.choices > 1 else "/logprobs"
    return ApiError(
        "invalid_request",
        f"The answer may carry at most {limits.LOG_PROBABILITIES} log probabilities: n x output limit x (1 + top_logprobs). "
        "Ask for fewer top_logprobs, fewer choices, or a lower max_completion_tokens.",
        param=param,
    )
