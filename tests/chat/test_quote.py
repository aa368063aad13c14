"""POST /v1/chat/completions/quote: what a call would hold, to the digit, for free."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest

from catalog.models import Route
from chat import admission, document
from chat.answers import Quote
from chat.schema import parse
from contract.errors import ApiError
from keys.models import ApiKey
from tests.answers import assert_shape
from tests.catalog.catalog_objects import PRICES, model, route
from tests.chat.priced_model import priced_model
from tests.chat.test_bad_input import assert_refused
from tests.contract.wire import eventually
from tests.customer import Customer
from tests.gate import Gate, calling
from tests.wallets.days import days_pass
from wallets import budgets

QUOTE = "/chat/completions/quote"


def body(text: str = "Say hi in five words.", *, model: str = "MiniMax-M2.7", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


def quote(owner: Customer, *args: Any, **fields: Any) -> dict[str, Any]:
    response = owner.http.post(QUOTE, json=body(*args, **fields))
    assert response.status_code == 200, response.text
    told: dict[str, Any] = response.json()
    assert_shape(told, Quote)
    return told


@pytest.mark.parametrize("fields", [{}, {"max_tokens": 7}, {"n": 3, "model": "gpt-4o-mini"}, {"model": "auto"}])
def test_it_is_the_hold_of_the_call(customer, fields: dict[str, Any]):
    owner = customer()
    told = quote(owner, **fields)
    answer = owner.chat(**fields)
    assert (answer.status_code, answer.json()["model"]) == (200, told["model"])
    assert str(owner.record.hold_credits) == told["hold_credits"]


def test_it_is_worked_out_as_the_contract_says(site, customer):
    id = priced_model(site.v1, input_usd="0.000001", output_usd="0.000002", markup="1500")
    told = quote(customer(balance="2"), model=id, max_tokens=500)
    input_credits = Decimal(told["hold_credits"]) - Decimal(500 * 2 * 1500) / 1_000_000
    # prompt estimate x 1.1 x 0.000001 x 1500
    assert (input_credits / (Decimal("1.1") * 1500) * 1_000_000) % 1 == 0
    assert told == {
        "object": "quote",
        "model": id,
        "hold_credits": told["hold_credits"],
        "most_credits": told["hold_credits"],
        "available_credits": "2.0000",
        "affordable": True,
        # what 2 credits leave for output, at 0.003 credits a token
        "affordable_output_tokens": int((2 - input_credits) / Decimal("0.003")),
    }


def test_nothing_is_held_charged_or_recorded(customer):
    owner = customer()
    for _ in range(3):
        quote(owner, stream=True, stream_options={"include_usage": True})
    assert (owner.wallet.balance, owner.wallet.held, owner.wallet.entries, owner.records) == (1000, 0, 1, [])


def test_what_it_calls_affordable_is_affordable_to_the_last_token(site, customer):
    id = priced_model(site.v1, input_usd="0.000001", output_usd="0.000002", markup="1500")
    owner = customer(balance="1.5")
    most = quote(owner, model=id)["affordable_output_tokens"]
    assert 0 < most < 1000
    assert quote(owner, model=id, max_tokens=most)["affordable"] is True
    assert quote(owner, model=id, max_tokens=most + 1)["affordable"] is False
    assert owner.chat(model=id, max_tokens=most + 1).status_code == 402
    assert owner.chat(model=id, max_tokens=most).status_code == 200


def test_an_empty_wallet_is_told_its_price(customer):
    told = quote(customer(balance="0"))
    assert (told["available_credits"], told["affordable"], told["affordable_output_tokens"]) == ("0.0000", False, 0)
    assert Decimal(told["hold_credits"]) > 0


def test_credits_held_by_a_call_in_flight_are_not_available(customer, gate: Gate):
    owner = customer()
    with calling(owner, gate.text):
        gate.wait()
        told = quote(owner)
        wallet = owner.wallet
        gate.open()
    assert wallet.held > 0
    assert told["available_credits"] == str(wallet.balance - wallet.held)


def test_auto_names_the_most_over_every_model_it_may_reach(customer):
    owner = customer()
    ApiKey.objects.filter(pk=owner.key.pk).update(allowed_models=["MiniMax-M2.7", "claude-sonnet-5-5"])
    cheap, dear = quote(owner, model="MiniMax-M2.7"), quote(owner, model="claude-sonnet-5-5")
    told = quote(owner, model="auto")
    assert Decimal(dear["hold_credits"]) > Decimal(cheap["hold_credits"])
    assert told == {**cheap, "most_credits": dear["hold_credits"]}


def test_an_idempotency_key_has_no_meaning_here(customer):
    owner = customer()
    for text in ("one", "two, which is longer"):
        response = owner.http.post(QUOTE, json=body(text), headers={"Idempotency-Key": "not good for anything"})
        assert response.status_code == 200


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"messages": []}, "invalid_request"),
        ({"nonsense": 1}, "invalid_request"),
        ({"temperature": "1"}, "invalid_request"),
        ({"model": "no-such-model"}, "unsupported_model"),
        ({"logprobs": True}, "unsupported_option"),
        ({"functions": []}, "unsupported_option"),
        ({"model_options": {"api_base": "x"}}, "unsupported_option"),
        ({"messages": [{"role": "user", "content": "word " * 300_000}]}, "context_length_exceeded"),
    ],
)
def test_it_refuses_what_the_call_refuses_in_the_same_words(customer, given: dict[str, Any], code: str):
    owner = customer()
    refused = [owner.http.post(path, json={**body(), **given}) for path in (QUOTE, "/chat/completions")]
    errors = [assert_refused(response, 400, code) for response in refused]
    for error in errors:
        del error["request_id"]
    assert errors[0] == errors[1]
    assert owner.records == []


def test_a_model_without_a_route_is_unavailable_to_both_and_the_document_says_so(site, customer):
    owner, idle = customer(), priced_model(site.v1)
    Route.objects.filter(model=idle).update(enabled=False)
    assert eventually(lambda: owner.http.post(QUOTE, json=body(model=idle)).status_code == 503)
    for path, operation in ((QUOTE, document.QUOTE_CHAT_COMPLETION), ("/chat/completions", document.CREATE_CHAT_COMPLETION)):
        assert_refused(owner.http.post(path, json=body(model=idle)), 503, "model_unavailable")
        assert "model_unavailable" in operation.codes(with_key=True)


def test_it_wants_a_key_and_json(site, customer):
    assert_refused(httpx.post(f"{site.v1}{QUOTE}", json=body()), 401, "unauthorized")
    assert_refused(customer().http.post(QUOTE, content="{}"), 415, "unsupported_media_type")


def test_a_prompt_too_long_for_the_first_model_of_auto_goes_to_one_it_fits(customer):
    """MiniMax-M2.7 takes 204 800 tokens, claude-sonnet-5-5 a million."""
    owner = customer()
    ApiKey.objects.filter(pk=owner.key.pk).update(allowed_models=["MiniMax-M2.7", "claude-sonnet-5-5"])
    assert quote(owner, "word " * 300_000, model="auto")["model"] == "claude-sonnet-5-5"


# Without a site


def offers(*pairs: Any, **fields: Any) -> list[admission.Offer]:
    return list(admission.offers(parse(body(**fields)), pairs, text_tokens=1000))


def test_every_route_of_a_model_is_an_offer_of_its_own():
    dear = route("dear", prices={**PRICES, "output_cost_per_token": "0.00001"})
    one = model(markup="1000", routes=(route(), dear))
    # 1100 x 0.000001 x 1000, and 100 output tokens at 0.002 and 0.01 credits
    assert [offer.hold_credits for offer in offers((one, one.routes[0]), (one, dear), max_tokens=100)] == [Decimal("1.3"), Decimal("2.1")]


def test_a_prompt_that_fits_no_model_is_refused_in_the_terms_of_the_widest():
    narrow, wide = (model(str(window), context_window=window, max_output_tokens=10, default_output_tokens=10) for window in (500, 900))
    with pytest.raises(ApiError, match="maximum context length is 900 tokens"):
        offers((narrow, narrow.routes[0]), (wide, wide.routes[0]))


def test_images_count_as_the_model_counts_them():
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    seeing = model(tokens_per_image=700)
    (offer,) = offers((seeing, seeing.routes[0]), messages=[{"role": "user", "content": [picture, picture]}])
    assert offer.prompt_tokens == 2400


@pytest.mark.parametrize("window", ["day", "total"])
def test_what_a_cap_of_the_key_leaves_is_what_is_affordable(site, customer, window: str):
    id = priced_model(site.v1, input_usd="0.000001", output_usd="0.000002", markup="1500")
    poor, capped = customer(balance="1.5"), customer()
    budgets.set_caps(capped.wallet, key_id=capped.key.pk, limits={window: Decimal("1.5")}, actor=None)
    most = quote(capped, model=id)["affordable_output_tokens"]
    assert 0 < most == quote(poor, model=id)["affordable_output_tokens"] < 1000
    assert quote(capped, model=id, max_tokens=most)["affordable"] is True
    told = quote(capped, model=id, max_tokens=most + 1)
    assert (told["affordable"], told["available_credits"]) == (False, "1000.0000")
    assert capped.chat(model=id, max_tokens=most + 1).json()["error"]["code"] == "spend_limit_reached"
    assert capped.chat(model=id, max_tokens=most).status_code == 200
    assert quote(capped, model=id)["affordable_output_tokens"] < most
    days_pass(capped.wallet, 1)
    assert (quote(capped, model=id)["affordable_output_tokens"] == most) == (window == "day")
