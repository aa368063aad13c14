"""A paid chat completion, over real HTTP: the answer, its price, the receipt and the ledger behind it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.chat.priced_model import priced_model
from wallets.audit import audit


def test_an_answer_carries_its_price_and_its_receipt(customer, model: str):
    owner = customer()
    response = owner.chat("Say hi in five words.", model=model, metadata={"order": "7"})
    assert response.status_code == 200
    answer = response.json()
    assert answer["id"].startswith("chatcmpl_")
    assert (answer["object"], answer["model"]) == ("chat.completion", model)
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["role"] == "assistant"
    assert len(choice["message"]["content"].split()) == 5
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    usd = usage["prompt_tokens"] * Decimal("0.0000003") + usage["completion_tokens"] * Decimal("0.0000012")
    expected = (usd * 1500).quantize(Decimal("0.0001"), "ROUND_HALF_UP")
    assert usage["credits"] == str(expected)

    record = owner.record
    assert (record.id, record.request_id) == (answer["id"], response.headers["x-request-id"])
    assert (record.status, record.clause, record.outcome) == ("charged", "complete", "answered")
    assert (record.charged_credits, record.cost_usd) == (expected, usd)
    assert (record.credits_per_litellm_usd, record.credits_per_usd_rate) == (1500, 1000)
    assert str(record.credits_usd_reference) == usage["credits_usd_reference"]
    assert (record.prompt_tokens, record.completion_tokens) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert (record.key_prefix, record.metadata, record.estimated) == (owner.key.prefix, {"order": "7"}, False)
    assert [attempt["outcome"] for attempt in record.attempts] == ["answered"]

    (entry,) = owner.entries
    assert (entry.reference, entry.amount) == (f"charge:{answer['id']}", -expected)
    assert entry.balance_after == owner.wallet.balance == 1000 - expected
    assert (owner.wallet.held, owner.wallet.in_flight) == (0, 0)


def test_the_worked_example(site, customer):
    """0.00200 USD x 1500 = 3.0000 credits, reference 0.0030."""
    model = priced_model(site.v1, input_usd="0.000001", output_usd="0.000002", markup="1500")
    owner = customer()
    answer = owner.chat("[[usage.prompt_tokens=1000 usage.completion_tokens=500]]", model=model, max_tokens=500).json()
    assert (answer["usage"]["credits"], answer["usage"]["credits_usd_reference"]) == ("3.0000", "0.0030")
    assert owner.record.cost_usd == Decimal("0.00200")
    assert owner.record.cost_lines == [
        {"class": "input", "tokens": 1000, "usd_per_token": "0.000001", "usd": "0.001"},
        {"class": "output", "tokens": 500, "usd_per_token": "0.000002", "usd": "0.001"},
    ]
    assert owner.wallet.balance == Decimal("997.0000")


def test_auto_says_which_model_answered(customer):
    owner = customer()
    assert owner.chat(model="auto").json()["model"] == "MiniMax-M2.7"
    assert (owner.record.model_asked, owner.record.model) == ("auto", "MiniMax-M2.7")


def test_the_callers_limit_holds_and_is_sent(customer):
    answer = customer().chat("Count to 60.", max_tokens=7).json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 7


def test_several_choices_are_paid_together(customer):
    owner = customer()
    answer = owner.chat("Say hi in five words.", n=3, model="gpt-4o-mini").json()
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert len(owner.entries) == 1


def test_a_tool_call_comes_through(customer):
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = [{"type": "function", "function": {"name": "weather", "parameters": parameters}}]
    answer = customer().chat("What is the weather in Riga?", tools=tools, tool_choice="required").json()
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "weather"


def test_nothing_of_the_provider_goes_through(customer, model: str):
    response = customer().chat("[[echo_model=secret-upstream-7 usage.cost=0.5]] Say hi in five words.", model=model)
    assert response.json()["model"] == model
    assert "secret-upstream-7" not in response.text
    assert "cost" not in response.json()["usage"]


def test_the_echoed_name_of_a_dear_model_changes_no_price(customer, model: str):
    plain, echoed = customer(), customer()
    plain.chat("[[usage.prompt_tokens=1000 usage.completion_tokens=10]]", model=model)
    echoed.chat("[[usage.prompt_tokens=1000 usage.completion_tokens=10 echo_model=gpt-4o]]", model=model)
    assert plain.record.charged_credits == echoed.record.charged_credits == Decimal("0.4680")


def test_an_empty_answer_costs_nothing(customer, model: str):
    owner = customer()
    answer = owner.chat("[[empty=true]]", model=model).json()
    assert (answer["usage"]["credits"], answer["usage"]["credits_usd_reference"]) == ("0.0000", "0.0000")
    assert (owner.record.clause, owner.record.cost_lines) == ("empty", [])
    assert owner.wallet.balance == 1000


def test_a_provider_that_counts_no_output_charges_none_and_raises_an_alert(customer, model: str):
    owner = customer()
    assert owner.chat("[[usage=zero]] Say hi in five words.", model=model).json()["usage"]["credits"] == "0.0000"
    assert (owner.record.clause, bool(owner.record.alert)) == ("empty", True)


@pytest.mark.parametrize(
    "usage", ["=missing", "=null", "=negative", "=huge", "=cached", "=over_limit", ".completion_tokens=null", ".prompt_tokens=null"]
)
def test_usage_that_cannot_be_true_is_estimated_and_flagged(customer, model: str, usage: str):
    owner = customer()
    response = owner.chat(f"[[usage{usage}]] Say hi in five words.", model=model, max_tokens=50)
    assert response.status_code == 200
    record = owner.record
    assert record.estimated
    assert record.alert
    assert 0 < record.completion_tokens <= 50
    assert Decimal(0) < record.charged_credits <= record.hold_credits
    assert response.json()["usage"]["credits"] == str(record.charged_credits)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("status=500", 502, "upstream_error"),
        ("status=502", 502, "upstream_error"),
        ("status=503", 503, "model_unavailable"),
        ("status=429 retry_after=7", 503, "model_unavailable"),
        ("status=529", 503, "model_unavailable"),
        ("status=401", 502, "upstream_error"),
        ("status=402", 502, "upstream_error"),
        ("status=403", 502, "upstream_error"),
        ("status=404", 502, "upstream_error"),
        ("status=408", 504, "upstream_timeout"),
        ("status=504", 504, "upstream_timeout"),
        ("status=400", 400, "invalid_request"),
        ("status=422", 400, "invalid_request"),
        ("status=413", 413, "payload_too_large"),
        ('status=400 code=content_filter message="flagged by the safety system"', 400, "safety_rejected"),
        ("context_window=1", 400, "context_length_exceeded"),
        ("garbage=html", 502, "upstream_error"),
        ("garbage=json", 502, "upstream_error"),
        ("garbage=empty", 502, "upstream_error"),
        ("garbage=base_resp", 502, "upstream_error"),
        ("garbage=no_choices", 502, "upstream_error"),
        ("cut=reset", 502, "upstream_error"),
        ("cut=abrupt", 502, "upstream_error"),
        ("cut=abrupt cut_at=1", 502, "upstream_error"),
        ("finish_reason=none", 502, "upstream_error"),
    ],
)
def test_a_failed_call_costs_nothing_and_says_so_in_our_words(customer, model: str, fault: str, status: int, code: str):
    owner = customer()
    response = owner.chat(f"[[{fault}]] my secret prompt", model=model)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert error["request_id"] == response.headers["x-request-id"]
    assert response.headers["x-should-retry"] == str(error["retryable"]).lower()
    assert "sandbox" not in response.text.lower()
    assert "secret prompt" not in response.text
    record = owner.record
    assert (record.status, record.clause, record.error_code, record.charged_credits) == ("released", "upstream_failed", code, 0)
    assert [attempt["outcome"] for attempt in record.attempts] == [code]
    wallet = owner.wallet
    assert (wallet.balance, wallet.held, wallet.in_flight) == (1000, 0, 0)
    assert owner.entries == []


def test_a_providers_refusal_names_what_to_look_at_and_not_its_words(customer):
    response = customer().chat("[[status=400 message=hidden-words]]", temperature=0.5, top_p=0.5)
    assert response.json()["error"]["message"] == (
        "The provider of MiniMax-M2.7 refused the request; nothing was charged. Look at: temperature, top_p."
    )


def test_a_providers_retry_after_is_passed_on(customer):
    assert customer().chat("[[status=429 retry_after=7]]").headers["retry-after"] == "7"


def test_a_provider_that_cannot_be_reached_is_an_upstream_error(site, customer):
    model = priced_model(site.v1, input_usd="0.000001", output_usd="0.000002", markup="1500", base_url="http://127.0.0.1:9/v1")
    owner = customer()
    response = owner.chat(model=model)
    assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_error")
    assert "127.0.0.1" not in response.text
    assert (owner.wallet.balance, owner.wallet.held) == (1000, 0)


def test_a_call_that_takes_too_long_is_given_up_and_costs_nothing(site, customer):
    web = site.start_web({"CHAT_TOTAL_SECONDS": "1"})
    owner = customer()
    owner.v1 = web.v1
    response = owner.chat("[[stall_ms=forever]]")
    web.stop()
    assert (response.status_code, response.json()["error"]["code"]) == (504, "upstream_timeout")
    assert (owner.record.status, owner.record.clause) == ("released", "upstream_failed")
    assert (owner.wallet.balance, owner.wallet.held) == (1000, 0)


def test_auto_takes_a_model_that_takes_every_field(customer):
    owner = customer()
    assert owner.chat(logprobs=True, model="MiniMax-M2.7").json()["error"]["code"] == "unsupported_option"
    answer = owner.chat(logprobs=True, model="auto").json()
    assert answer["model"] == "gpt-4o-mini"
    assert answer["choices"][0]["logprobs"]["content"]


def test_auto_takes_a_model_whose_context_holds_the_messages(customer):
    owner = customer(balance="100000")
    long = "word " * 250_000
    assert owner.chat(long, model="auto").json()["model"] == "claude-sonnet-5-5"
    error = owner.chat(long * 5, model="auto").json()["error"]
    assert (error["code"], "maximum context length is 1000000 tokens" in error["message"]) == ("context_length_exceeded", True)


def test_tools_and_the_answers_format_are_held_as_their_text(customer):
    owner = customer()
    parameters = {"type": "object", "description": "word " * 1000}
    owner.chat()
    owner.chat(tools=[{"type": "function", "function": {"name": "f", "parameters": parameters}}])
    owner.chat(response_format={"type": "json_schema", "json_schema": {"name": "f", "schema": parameters}})
    plain, tools, answer_format = (record.hold_credits for record in owner.records)
    # 1000 words of a token each, a tenth more, 0.0000003 USD a token and 1500 credits per USD
    least = Decimal("0.0000003") * 1100 * 1500
    assert tools - plain > least
    assert answer_format - plain > least


def test_a_temperature_below_the_models_least_is_raised_and_above_its_most_refused(site, customer):
    owner = customer()
    assert owner.chat(temperature=0).status_code == 200
    error = owner.chat(temperature=1.5).json()["error"]
    assert (error["code"], error["details"]["unsupported_fields"]) == ("unsupported_option", ["temperature"])
    assert owner.chat(temperature=1.5, model="auto").json()["model"] == "gpt-4o-mini"
    # qwen-max takes up to 1.99, and no other model its options
    error = owner.chat(temperature=2, model="auto", model_options={"top_k": 5, "repetition_penalty": 1}).json()["error"]
    assert (error["code"], error["details"]["unsupported_fields"]) == ("unsupported_option", ["temperature"])


def test_neither_prompts_nor_keys_nor_a_providers_text_are_logged(site, customer):
    owner = customer()
    for text in ("plain words", "[[status=500 message=hidden-words]]", "[[status=400 message=hidden-words]]", "[[garbage=html]]"):
        owner.chat(f"{text} secret-prompt-words")
    owner.http.post("/chat/completions", content=b'{"model": "secret-prompt-words')
    log = site.web.log
    assert "upstream failed: the provider answered 500" in log
    for secret in ("secret-prompt-words", "hidden-words", owner.token):
        assert secret not in log


def test_the_audit_is_clean_after_all_of_it(site, committed):
    assert audit() == []
