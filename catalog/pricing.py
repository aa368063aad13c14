"""Credits: what a call may cost (the hold), what it did cost (the charge), how much output a balance carries.

Pure functions on the objects of `catalog.snapshot`. Hold, moved hold and quote are one function:

    hold   = markup x (prompt estimate x 1.1 x dearest input rate + n x limit x dearest output rate), rounded up
    charge = markup x LiteLLM's cost in USD, rounded half up

both to four places, once. The markup is the model's `credits_per_litellm_usd`; the dearest rates are over every class
and every tier that a prompt of that size may meet. 0.00200 USD x 1500 = 3.0000 credits.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from contract.errors import ApiError
from wallets import money

if TYPE_CHECKING:
    from catalog.snapshot import ModelInfo, RouteInfo

# The estimate of a prompt may be that much too low
_PROMPT_MARGIN = Decimal("1.1")


def hold_credits(model: ModelInfo, route: RouteInfo, *, prompt_tokens: int, limit: int, n: int = 1) -> Decimal:
    """The most that a call may cost, in credits: `prompt_tokens` estimated, `limit` output tokens for each of `n` choices."""
    prompt_usd, output_rate_usd = _worst_usd(route, prompt_tokens)
    worst_usd = prompt_usd + n * limit * output_rate_usd
    return money.credits_up(money.product(worst_usd, credits_per_usd=model.price.credits_per_litellm_usd))


def charge_credits(cost_usd: Decimal, *, credits_per_litellm_usd: Decimal) -> Decimal:
    """The credits of a call that cost `cost_usd` by LiteLLM."""
    return money.credits(money.product(cost_usd, credits_per_usd=credits_per_litellm_usd))


def output_limit(model: ModelInfo, *, asked: int | None, prompt_tokens: int) -> int:
    """The output limit in tokens that goes upstream: the caller's, else the model's default.

    Never above the model's maximum nor what its context leaves after the estimated prompt.
    Raises ApiError context_length_exceeded if it leaves nothing.
    """
    left = model.context_window - prompt_tokens
    if left < 1:
        raise ApiError(
            "context_length_exceeded",
            f"This model's maximum context length is {model.context_window} tokens, and the messages are about {prompt_tokens} tokens.",
            param="/messages",
        )
    return min(asked or model.default_output_tokens, model.max_output_tokens, left)


def affordable_output_tokens(model: ModelInfo, route: RouteInfo, *, prompt_tokens: int, available_credits: Decimal, n: int = 1) -> int:
    """The highest output limit whose hold `available_credits` carries, 0 if not even one token."""
    prompt_usd, output_rate_usd = _worst_usd(route, prompt_tokens)
    left_usd = available_credits / model.price.credits_per_litellm_usd - prompt_usd
    most = min(model.max_output_tokens, model.context_window - prompt_tokens)
    affordable = min(int(left_usd / (n * output_rate_usd)), most)
    # The division may have been rounded up
    if affordable > 0 and hold_credits(model, route, prompt_tokens=prompt_tokens, limit=affordable, n=n) > available_credits:
        affordable -= 1
    return max(affordable, 0)


def _worst_usd(route: RouteInfo, prompt_tokens: int) -> tuple[Decimal, Decimal]:
    """The most the prompt may cost, and the most a token of output may, in USD."""
    most_tokens = prompt_tokens * _PROMPT_MARGIN
    size = int(most_tokens)
    return most_tokens * route.cost.dearest_input(size), route.cost.dearest_output(size)
