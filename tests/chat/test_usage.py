"""Counts as they are charged: of a provider that counts reasoning apart from the completion, and our own where there are none."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from catalog import tokens
from catalog.cost import cost_row, costed, litellm_cost_usd
from chat import usage
from contract.strict_json import INLINE_BYTES
from tests.catalog.catalog_objects import MINIMAX
from tests.chat.pictures import PNG, data_uri
from tests.chat.priced_model import priced_model
from tests.chat.test_charging import call
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


# Our own


@pytest.mark.parametrize("more", ["", " word" * (INLINE_BYTES // 4)], ids=["short", "long"])
def test_a_prompt_that_its_provider_did_not_count_is_charged_as_it_would(customer: Any, more: str):
    """By the sandbox's own rule, seven tokens beside the text; the hold's count takes the JSON around it too."""
    owner: Customer = customer()
    text = '[[usage=missing]] Say "hi"\nin five words.' + more
    answer = owner.chat(text, model=priced_model(owner.v1), max_tokens=50)
    assert answer.status_code == 200, answer.text
    record = owner.record
    assert (record.estimated, record.prompt_tokens) == (True, 7 + tokens.count(text))
    assert answer.json()["usage"]["prompt_tokens"] == record.prompt_tokens
    assert record.charged_credits == record.cost_usd * 1500


def test_an_image_that_its_provider_did_not_count_is_charged_as_the_model_s(customer: Any):
    owner: Customer = customer()
    text = "[[usage=missing]] What is it?"
    image = {"type": "image_url", "image_url": {"url": data_uri(PNG)}}
    messages = [{"role": "user", "content": [{"type": "text", "text": text}, image]}]
    seeing = priced_model(owner.v1, tokens_per_image=500, supported_fields=["image_url"])
    assert owner.http.post("/chat/completions", json={"model": seeing, "messages": messages}).status_code == 200
    assert owner.record.prompt_tokens == 7 + tokens.count(text) + 500


def test_our_own_count_never_outgrows_the_hold_s():
    admitted = call()
    assert asyncio.run(usage.estimated(admitted, ["hi"])).prompt_tokens == 8
    admitted.offer = replace(admitted.offer, prompt_tokens=5, limit=2)
    counted = asyncio.run(usage.estimated(admitted, ["one two three four"]))
    assert (counted.prompt_tokens, counted.completion_tokens) == (5, 2)
