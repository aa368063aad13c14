"""Holds, charges, output limits: the contract's formulas, by worked examples and for any usage."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.cost import TokenUsage, cost_usd
from catalog.pricing import affordable_output_tokens, charge_credits, hold_credits, output_limit
from contract.errors import ApiError
from tests.catalog.catalog_objects import model, route
from wallets import money

TIERED = {
    "litellm_provider": "openai",
    "input_cost_per_token": "0.0000003",
    "output_cost_per_token": "0.0000012",
    "cache_read_input_token_cost": "0.00000006",
    "cache_creation_input_token_cost": "0.000000375",
    "output_cost_per_reasoning_token": "0.0000015",
    "input_cost_per_token_above_1k_tokens": "0.0000006",
    "output_cost_per_token_above_1k_tokens": "0.0000024",
}


def test_the_worked_example():
    assert charge_credits(Decimal("0.00200"), credits_per_litellm_usd=Decimal(1500)) == Decimal("3.0000")
    assert money.usd_reference(Decimal("3.0000"), rate=Decimal(1000)) == Decimal("0.0030")


@pytest.mark.parametrize(
    ("cost", "credits"), [("0.00000003", "0.0000"), ("0.000000033333", "0.0000"), ("0.0000000333334", "0.0001"), ("0.0001", "0.1500")]
)
def test_a_charge_is_rounded_half_up_once(cost, credits):
    assert charge_credits(Decimal(cost), credits_per_litellm_usd=Decimal(1500)) == Decimal(credits)


def test_a_hold_by_hand():
    """1500 x (100 x 1.1 x 0.375 + 2 x 50 x 1.2) / 10^6 USD = 0.241875 credits, rounded up."""
    minimax = {key: value for key, value in TIERED.items() if "above" not in key and "reasoning" not in key}
    hold = hold_credits(model(markup="1500"), route(prices=minimax), prompt_tokens=100, limit=50, n=2)
    assert hold == Decimal("0.2419")


def test_a_hold_takes_the_dearest_class():
    plain = {"litellm_provider": "openai", "input_cost_per_token": 1, "output_cost_per_token": 1}
    base = hold_credits(model(markup="1"), route(prices=plain), prompt_tokens=10, limit=10)
    dear = route(prices={**plain, "cache_creation_input_token_cost": 2, "output_cost_per_reasoning_token": 3})
    assert (base, hold_credits(model(markup="1"), dear, prompt_tokens=10, limit=10)) == (21, 52)


def test_a_hold_takes_the_tier_that_the_prompt_may_reach():
    """910 tokens estimated may be 1001: above the threshold of 1000. 909 may not."""
    below, above = (hold_credits(model(), route(prices=TIERED), prompt_tokens=size, limit=1) for size in (909, 910))
    assert above > below * Decimal("1.5")


@given(
    estimate=st.integers(0, 3000),
    limit=st.integers(1, 2000),
    n=st.integers(1, 8),
    markup=st.decimals("0.0001", "99999", places=4),
    data=st.data(),
)
def test_no_charge_is_above_its_hold_whatever_the_split(estimate, limit, n, markup, data):
    prompt = data.draw(st.integers(0, estimate * 11 // 10))
    completion = data.draw(st.integers(0, n * limit))
    cached = data.draw(st.integers(0, prompt))
    usage = TokenUsage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached,
        cache_write_tokens=data.draw(st.integers(0, prompt - cached)),
        reasoning_tokens=data.draw(st.integers(0, completion)),
    )
    over = route(prices=TIERED)
    hold = hold_credits(model(markup=str(markup)), over, prompt_tokens=estimate, limit=limit, n=n)
    assert charge_credits(cost_usd(over.cost, usage), credits_per_litellm_usd=markup) <= hold


def test_the_output_limit_is_the_callers_or_the_default_within_what_there_is():
    limits = {"max_output_tokens": 500, "default_output_tokens": 100, "context_window": 1000}
    assert output_limit(model(**limits), asked=None, prompt_tokens=10) == 100
    assert output_limit(model(**limits), asked=300, prompt_tokens=10) == 300
    assert output_limit(model(**limits), asked=501, prompt_tokens=10) == 500
    assert output_limit(model(**limits), asked=300, prompt_tokens=900) == 100
    assert output_limit(model(**limits), asked=None, prompt_tokens=999) == 1


@pytest.mark.parametrize("prompt_tokens", [1000, 50_000])
def test_it_refuses_a_prompt_that_fills_the_context(prompt_tokens):
    with pytest.raises(ApiError) as refused:
        output_limit(model(context_window=1000, max_output_tokens=500), asked=None, prompt_tokens=prompt_tokens)
    assert refused.value.code == "context_length_exceeded"
    assert "maximum context length is 1000 tokens" in refused.value.message


@given(
    prompt_tokens=st.integers(0, 2000),
    n=st.integers(1, 8),
    available=st.decimals("0", "50", places=4),
    markup=st.decimals("0.1", "9999", places=4),
)
def test_affordable_output_is_the_highest_that_the_balance_carries(prompt_tokens, n, available, markup):
    of, over = model(markup=str(markup)), route(prices=TIERED)
    affordable = affordable_output_tokens(of, over, prompt_tokens=prompt_tokens, available_credits=available, n=n)
    assert 0 <= affordable <= of.max_output_tokens
    if affordable:
        assert hold_credits(of, over, prompt_tokens=prompt_tokens, limit=affordable, n=n) <= available
    if affordable < of.max_output_tokens:
        assert hold_credits(of, over, prompt_tokens=prompt_tokens, limit=affordable + 1, n=n) > available


def test_nothing_is_affordable_below_the_price_of_the_prompt():
    assert affordable_output_tokens(model(), route(), prompt_tokens=1000, available_credits=Decimal(-5)) == 0
