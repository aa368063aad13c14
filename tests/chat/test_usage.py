"""A provider that counts reasoning apart from the completion: believed, and charged as LiteLLM would."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from catalog.cost import cost_row, costed, litellm_cost_usd
from chat import usage
from tests.catalog.catalog_objects import MINIMAX
from tests.customer import Customer

LIMITS = {"context_window": 1000, "most_completion_tokens": 500}
DEAR_REASONING = {**MINIMAX, "output_cost_per_reasoning_token": 2e-06}


def counts(completion: int, reasoning: int) -> dict[str, Any]:
    return {"prompt_tokens": 10, "completion_tokens": completion, "reasoning_tokens": reasoning}


@pytest.mark.parametrize("entry", [MINIMAX, DEAR_REASONING], ids=["one rate", "a rate of its own"])
@pytest.mark.parametrize(("completion", "reasoning"), [(100, 150), (0, 150), (100, 100), (100, 40)])
def test_it_costs_what_litellm_says_and_no_line_of_it_is_negative(completion: int, reasoning: int, entry: dict[str, Any]):
    sent = counts(completion, reasoning)
    assert usage.refusal(sent, **LIMITS) == ""
    believed = usage.believed(sent)
    row = cost_row(f"apart-{completion}-{reasoning}", entry, version=len(entry), method="decimal", source="test")
    cost, lines = costed(row, believed)
    assert cost == litellm_cost_usd(row, believed)
    assert sum(line["tokens"] for line in lines) == 10 + max(completion, reasoning)
    assert all(line["tokens"] > 0 for line in lines)


def test_reasoning_beyond_the_limit_is_not_believed():
    """By no count may a charge outgrow its hold."""
    assert usage.refusal(counts(100, 500), **LIMITS) == ""
    assert usage.refusal(counts(100, 501), **LIMITS) == "more completion tokens than the limit"


def test_the_receipt_counts_all_of_it(customer: Any, model: str):
    owner: Customer = customer()
    faults = "usage.completion_tokens=20 usage.completion_tokens_details.reasoning_tokens=30"
    answer = owner.chat(f"[[{faults}]] Say hi in five words.", model=model, max_tokens=50).json()
    record = owner.record
    assert (record.estimated, record.alert) == (False, "")
    assert (record.completion_tokens, record.reasoning_tokens) == (30, 30)
    assert answer["usage"]["completion_tokens"] == 30
    assert Decimal(0) < record.charged_credits <= record.hold_credits
