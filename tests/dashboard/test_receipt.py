"""A receipt: what was paid and why, down to the ledger entry."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from beatra_site.dashboard.clauses import CLAUSES
from beatra_site.dashboard.receipt import receipt_of
from catalog.cost import TokenUsage, cost_row, costed
from tests.browsing import browser, read, signed_in, text
from tests.catalog.catalog_objects import MINIMAX, PRICES, TIERED
from tests.factories import WalletFactory
from tests.wallets.calls import charge, giving_back, hold
from wallets import holds
from wallets.models import UsageClause, UsageRecord
from wallets.refunds import refund

pytestmark = pytest.mark.django_db
PAID = ("complete", "drained", "stopped", "cut_by_limit")
FREE = ("not_sent", "lost", "upstream_failed", "empty", "replay")


@pytest.fixture
def wallet():
    return WalletFactory(balance="1000")


def receipt_page(wallet, usage_id):
    client = browser()
    client.force_login(wallet.account.user)
    response = client.get(f"/usage/{usage_id}/")
    assert response.status_code == 200
    return text(response)


def charged(wallet, credits, *, held="13.2", **fields):
    call = hold(
        wallet,
        held,
        credits_per_litellm_usd=Decimal(1500),
        price_version=2,
        request_id="req-of-the-caller",
        key_prefix="sk-bt-a1B2c3",
        key_name="backend",
        model_asked="auto",
        model="MiniMax-M2.7",
        metadata={"order": "7"},
    )
    holds.place([call])
    (settled,) = holds.settle([charge(call, credits, **fields)])
    assert settled.kind == "charged"
    return call.usage_id


def test_a_replay_leads_to_the_call_whose_answer_it_is(wallet):
    first = charged(wallet, "0.3075")
    replay = UsageRecord.objects.create(
        id="chatcmpl_again",
        wallet=wallet,
        capability="chat",
        status="released",
        clause="replay",
        outcome="replayed",
        model="MiniMax-M2.7",
        hold_credits=0,
        replay_of=first,
        closed_at=timezone.now(),
    )
    page = receipt_page(wallet, replay.pk)
    assert "Replay" in page
    assert f"Repeats the answer of {first}" in page
    assert "Model that answered MiniMax-M2.7" in page
    assert "Nothing was charged." in page
    assert "Hold and charge" not in page
    assert "Repeats" not in receipt_page(wallet, first)


def lines_of(entry, usage):
    """What a call keeps of its price list: its cost and the lines of it."""
    row = cost_row("test", entry, version=1, method="decimal", source="test")
    cost, lines = costed(row, usage)
    return {"cost_usd": cost, "cost_lines": lines}


def test_the_worked_example_is_spelt_out(wallet):
    """0.00200 USD x 1500 = 3.0000 credits, reference 0.0030; 13.2 were held and 10.2 came back."""
    usage_id = charged(
        wallet,
        "3",
        **lines_of(PRICES, TokenUsage(1000, 500)),
        prompt_tokens=1000,
        completion_tokens=500,
        latency_ms=1234,
        first_output_ms=321,
    )
    words = receipt_page(wallet, usage_id)
    for part in (
        "Charged 3.0000 credits, about 0.0030 USD",
        "The model finished its answer. The tokens the provider counted were charged.",
        usage_id,
        "req-of-the-caller",
        "after 1,234 ms First output after 321 ms",
        "Model asked for auto Model that answered MiniMax-M2.7",
        "API key backend sk-bt-a1B2c3… Answer asked for in one piece",
        "order (your metadata) 7",
        "Prompt 1,000 0.000001 1 0.001 Output 500 0.000002 2 0.001 LiteLLM's cost 0.002 USD",
        "In all 1,000 tokens of prompt and 500 of output.",
        "LiteLLM's cost of these tokens 0.002 USD times the credits per LiteLLM USD of MiniMax-M2.7 (price version 2) × 1,500 exactly = 3",
        "Charged (rounded half up to four places) 3.0000 credits",
        "In USD, for reference: 3.0000 ÷ 1,000 credits per USD, the rate at that time 0.0030 USD",
        "Held for the call (the most it could cost) 13.2000 Charged at its end − 3.0000 Free again 10.2000",
        f"Charge charge:{usage_id} −3.0000 997.0000",
    ):
        assert part in words, part
    assert "Estimated" not in words


def test_cached_written_and_reasoning_tokens_have_rates_of_their_own(wallet):
    usage = TokenUsage(1000, 500, cached_tokens=400, cache_write_tokens=100, reasoning_tokens=20)
    words = receipt_page(
        wallet,
        charged(
            wallet,
            "1.2173",
            **lines_of(MINIMAX, usage),
            prompt_tokens=1000,
            cached_tokens=400,
            cache_write_tokens=100,
            completion_tokens=500,
            reasoning_tokens=20,
        ),
    )
    for part in (
        "Prompt 500 0.0000003 0.3 0.00015",
        "Prompt, read from the provider's cache 400 0.00000006 0.06 0.000024",
        "Prompt, written to the provider's cache 100 0.000000375 0.375 0.0000375",
        "Output 480 0.0000012 1.2 0.000576 Output, reasoning 20 0.0000012 1.2 0.000024",
        "LiteLLM's cost 0.0008115 USD",
        "exactly = 1.21725 Charged (rounded half up to four places) 1.2173 credits",
    ):
        assert part in words, part


def test_the_rates_of_a_long_prompt_are_those_of_its_tier(wallet):
    words = receipt_page(wallet, charged(wallet, "450.0045", **lines_of(TIERED, TokenUsage(200_001, 1)), prompt_tokens=200_001))
    assert "Prompt 200,001 0.0000015 1.5 0.3000015 Output 1 0.000003 3 0.000003 LiteLLM's cost 0.3000045 USD" in words


def test_a_cost_of_more_than_twelve_places_shows_its_rounding(wallet):
    words = receipt_page(
        wallet, charged(wallet, "0.0002", **lines_of({**PRICES, "input_cost_per_token": "0.0000001234567"}, TokenUsage(1, 0)))
    )
    assert "0.0000001234567 Sum 0.0000001234567 LiteLLM's cost, rounded half up to twelve places 0.000000123457 USD" in words


def test_a_refund_stands_beside_the_charge_and_in_the_ledger(wallet):
    usage_id = charged(wallet, "3")
    assert "Refunded" not in receipt_page(wallet, usage_id)
    refund(usage_id, credits=Decimal("1.25"), reference=f"refund:{usage_id}:1", reason="for staff to read")
    words = receipt_page(wallet, usage_id)
    assert "Charged 3.0000 credits, about 0.0030 USD Refunded 1.2500 credits given back" in words
    assert f"Refund refund:{usage_id}:1 1.2500 998.2500" in words
    assert "for staff to read" not in words


def test_a_sum_without_lines_says_whose_it_is(wallet):
    """LiteLLM did the sum, or the record is older than the lines."""
    words = receipt_page(
        wallet, charged(wallet, "3", cost_usd=Decimal("0.002"), prompt_tokens=1000, cached_tokens=400, completion_tokens=500)
    )
    assert "Prompt 1,000 of it read from the provider's cache 400 Output 500 LiteLLM's own calculation was used" in words
    assert "LiteLLM's cost of these tokens 0.002 USD" in words


def test_a_charge_that_was_rounded_shows_the_exact_product(wallet):
    words = receipt_page(wallet, charged(wallet, "0.6462", cost_usd=Decimal("0.000430774")))
    assert "0.000430774 USD" in words
    assert "exactly = 0.646161 Charged (rounded half up to four places) 0.6462 credits" in words


def test_a_charge_beyond_its_hold_is_explained(wallet):
    words = receipt_page(wallet, charged(wallet, "21", held="13.2", cost_usd=Decimal("0.014")))
    assert "Charged beyond the hold (the prompt was larger than estimated) 7.8000" in words
    assert "Free again" not in words


def test_an_estimate_says_so(wallet):
    words = receipt_page(wallet, charged(wallet, "3", cost_usd=Decimal("0.002"), clause="stopped", estimated=True))
    assert "The provider gave no final count, so the tokens are estimated. Estimated tokens" in words


def test_a_count_that_was_not_believed_says_so(wallet):
    words = receipt_page(wallet, charged(wallet, "3", cost_usd=Decimal("0.002"), clause="complete", estimated=True))
    assert "The provider's count of the tokens could not be right" in words
    assert "The tokens the provider counted were charged" not in words


def test_an_answer_without_output_has_its_tokens_and_nothing_to_work_out(wallet):
    words = receipt_page(wallet, charged(wallet, "0", cost_usd=Decimal(0), clause="empty", prompt_tokens=12))
    assert "Empty answer Charged 0.0000 credits The model finished without a single token of output. Nothing was charged." in words
    assert "USD" not in words
    assert "Tokens Prompt 12 Output 0 Hold and charge" in words
    assert "LiteLLM" not in words


def test_the_tries_are_told_in_words_without_routes(wallet):
    tries = [
        {"model": "a", "route": "secret-1", "outcome": "upstream_timeout", "status": 504, "ms": 1200},
        {"model": "b", "route": "secret-2", "outcome": "something_new"},
        {"model": "c", "route": "secret-3", "outcome": "internal_error", "ms": 20},
        {"model": "d", "route": "secret-4", "outcome": "cut_by_limit", "ms": 30},
        {"model": "e", "route": "secret-5", "outcome": "answered", "ms": 30},
    ]
    words = receipt_page(wallet, charged(wallet, "3", cost_usd=Decimal("0.002"), attempts=tries))
    assert "Tries 1. a gave no answer in time after 1,200 ms 2. b failed 3. c was broken off by us after 20 ms" in words
    assert "4. d was cut by a limit after 30 ms 5. e answered after 30 ms" in words
    assert "secret" not in words
    assert "Held for the call (the most it could cost with the model that was tried last) 13.2000" in words


def test_a_call_that_was_finished_for_nobody_says_how_to_stop_one(wallet):
    words = receipt_page(wallet, charged(wallet, "3", cost_usd=Decimal("0.002"), clause="drained"))
    assert "The tokens the provider counted were charged. To stop and pay for what came, stream without a key." in words
    estimated = receipt_page(wallet, charged(wallet, "3", cost_usd=Decimal("0.002"), clause="drained", estimated=True))
    assert "the estimate was charged. To stop and pay for what came, stream without a key." in estimated
    assert "The tokens the provider counted were charged" not in estimated


def test_a_streamed_answer_says_so(wallet):
    call = hold(wallet, "1", stream=True)
    holds.place([call])
    assert "Answer asked for as a stream" in receipt_page(wallet, call.usage_id)


def test_the_way_back_keeps_the_filters_and_nothing_else(wallet):
    call = hold(wallet, "1")
    holds.place([call])
    page = signed_in(wallet.account.user).get(f"/usage/{call.usage_id}/?outcome=running&period=7d&next=//evil.example&cursor=abc")
    assert "/usage/?period=7d&outcome=running&cursor=abc" in read(page).links
    assert b"evil" not in page.content


def test_every_clause_has_its_words():
    assert set(CLAUSES) == set(UsageClause.values) == {*PAID, *FREE}


@pytest.mark.parametrize("clause", PAID)
def test_every_clause_that_is_paid_is_explained(wallet, clause):
    words = receipt_page(wallet, charged(wallet, "3", cost_usd=Decimal("0.002"), clause=clause))
    assert f"{CLAUSES[clause].label} Charged 3.0000" in words
    assert f"{CLAUSES[clause].happened} {CLAUSES[clause].charged}" in words


@pytest.mark.parametrize("clause", FREE)
def test_every_clause_that_is_free_says_that_nothing_was_charged(wallet, clause):
    call = hold(wallet, "13.2")
    holds.place([call])
    holds.release(
        [
            giving_back(
                call,
                clause=clause,
                error_code="upstream_timeout",
                attempts=[{"model": "m", "route": "secret-route", "outcome": "upstream_timeout", "ms": 1200}],
            )
        ]
    )
    words = receipt_page(wallet, call.usage_id)
    assert f"{CLAUSES[clause].label} Charged 0.0000" in words
    assert f"{CLAUSES[clause].happened} Nothing was charged." in words
    assert "Charged at its end − 0.0000 Free again 13.2000" in words
    assert "No entry: nothing was charged" in words
    assert "Error upstream_timeout HTTP 504" in words
    assert "Try m gave no answer in time after 1,200 ms" in words
    assert "secret-route" not in words


@pytest.mark.parametrize("code", ["invalid_request", "context_length_exceeded", "safety_rejected", "payload_too_large"])
def test_what_the_provider_refused_is_not_its_failure_and_has_to_change(wallet, code):
    call = hold(wallet, "13.2")
    holds.place([call])
    holds.release([giving_back(call, clause="upstream_failed", error_code=code)])
    words = receipt_page(wallet, call.usage_id)
    assert "Refused by the provider Charged 0.0000" in words
    assert "the request has to change. Nothing was charged." in words
    listed = text(signed_in(wallet.account.user).get("/usage/?outcome=upstream_failed"))
    assert "Refused by the provider 0 in, 0 out" in listed
    assert "Provider failed" not in words + listed


def test_a_charge_below_the_places_of_its_reference_is_not_said_to_be_nothing(wallet):
    words = receipt_page(wallet, charged(wallet, "0.0185", cost_usd=Decimal("0.0000123333")))
    assert "0.0185 credits, less than 0.0001 USD" in words
    assert "the rate at that time less than 0.0001 USD" in words
    assert "0.0000 USD" not in words


def test_a_call_that_runs_shows_what_is_held(wallet):
    call = hold(wallet, "13.2")
    holds.place([call])
    words = receipt_page(wallet, call.usage_id)
    assert "Running Held 13.2000 credits" in words
    assert "The entry is written when the call ends." in words


def test_what_the_customer_wrote_is_text_never_markup(wallet):
    call = hold(wallet, "1", request_id="<b>x</b>", key_name="<script>alert(1)</script>", metadata={"<i>": "<img src=x>"})
    holds.place([call])
    client = browser()
    client.force_login(wallet.account.user)
    for path in ("/", "/usage/", f"/usage/{call.usage_id}/"):
        html = client.get(path).content
        assert b"<script>alert" not in html
        assert b"<img src=x" not in html


@pytest.mark.parametrize("name", ["items", "keys", "0"])
def test_a_name_that_a_template_could_take_for_something_else_is_shown(wallet, name):
    call = hold(wallet, "1", metadata={name: "of the caller", "order": "7"})
    holds.place([call])
    words = receipt_page(wallet, call.usage_id)
    assert f"{name} (your metadata) of the caller" in words
    assert "order (your metadata) 7" in words


def test_another_account_s_receipt_is_not_there(wallet):
    usage_id = charged(wallet, "3", cost_usd=Decimal("0.002"))
    client = browser()
    client.force_login(WalletFactory().account.user)
    assert client.get(f"/usage/{usage_id}/").status_code == 404
    assert client.get("/usage/chatcmpl_nothing/").status_code == 404
    assert client.get("/usage/a%00b/").status_code == 404


def test_a_product_longer_than_a_default_decimal_is_exact(wallet):
    call = hold(wallet, "1", credits_per_litellm_usd=Decimal("999999999999.999999"))
    record = UsageRecord(
        id=call.usage_id,
        wallet=wallet,
        status="charged",
        task_id="",
        cost_usd=Decimal("999999999999.999999999999"),
        metadata={},
        attempts=[],
        cost_lines=[],
    )
    record.credits_per_litellm_usd = call.credits_per_litellm_usd
    assert receipt_of(record).product == Decimal("999999999999999998999999.000000000000000001")


def test_the_arithmetic_stays_decimal(wallet):
    record = UsageRecord.objects.get(pk=charged(wallet, "0.6462", cost_usd=Decimal("0.000430774")))
    receipt = receipt_of(record)
    assert receipt.product == Decimal("0.646161")
    assert receipt.difference == Decimal("12.5538")
