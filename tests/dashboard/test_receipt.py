"""A receipt: what was paid and why, down to the ledger entry."""

from __future__ import annotations

from decimal import Decimal

import pytest

from beatra_site.dashboard.clauses import CLAUSES
from beatra_site.dashboard.receipt import receipt_of
from tests.browsing import browser, text
from tests.factories import WalletFactory
from tests.wallets.calls import charge, giving_back, hold
from wallets import holds
from wallets.models import UsageClause, UsageRecord

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


def test_the_worked_example_is_spelt_out(wallet):
    """0.00200 USD x 1500 = 3.0000 credits, reference 0.0030; 13.2 were held and 10.2 came back."""
    usage_id = charged(
        wallet, "3", cost_usd=Decimal("0.00200"), prompt_tokens=1000, cached_tokens=400, completion_tokens=500, reasoning_tokens=20
    )
    words = receipt_page(wallet, usage_id)
    for part in (
        "Charged 3.0000 credits, about 0.0030 USD",
        "The model finished its answer. The tokens the provider counted were charged.",
        usage_id,
        "req-of-the-caller",
        "Model asked for auto Model that answered MiniMax-M2.7",
        "API key backend sk-bt-a1B2c3…",
        "order (your metadata) 7",
        "Prompt 1,000 of it read from the provider's cache 400 Output 500 of it reasoning 20",
        "LiteLLM's cost of these tokens 0.002 USD",
        "(price version 2) × 1,500",
        "Charged 3.0000 credits In USD, for reference: 3.0000 ÷ 1,000 credits per USD, the rate at that time 0.0030 USD",
        "(the most it could cost) 13.2000 Charged at its end 3.0000 Free again 10.2000",
        f"Charge charge:{usage_id} -3.0000 997.0000",
    ):
        assert part in words, part
    assert "before rounding" not in words
    assert "Estimated" not in words


def test_rounding_is_shown_where_there_was_any(wallet):
    words = receipt_page(wallet, charged(wallet, "0.6462", cost_usd=Decimal("0.000430774")))
    assert "0.000430774 USD" in words
    assert "before rounding half up to four places 0.646161 Charged 0.6462 credits" in words


def test_a_charge_beyond_its_hold_is_explained(wallet):
    words = receipt_page(wallet, charged(wallet, "21", held="13.2", cost_usd=Decimal("0.014")))
    assert "Charged beyond the hold (the prompt was larger than estimated) 7.8000" in words
    assert "Free again" not in words


def test_an_estimate_says_so(wallet):
    words = receipt_page(wallet, charged(wallet, "3", cost_usd=Decimal("0.002"), clause="stopped", estimated=True))
    assert "Estimated tokens" in words


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
    assert "Charged at its end 0.0000 Free again 13.2000" in words
    assert "No entry: nothing was charged" in words
    assert "m: upstream_timeout (1,200 ms)" in words
    assert "secret-route" not in words


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
    record = UsageRecord(id=call.usage_id, wallet=wallet, status="charged", cost_usd=Decimal("999999999999.999999999999"), metadata={})
    record.credits_per_litellm_usd = call.credits_per_litellm_usd
    assert receipt_of(record).product == Decimal("999999999999999998999999.000000000000000001")


def test_the_arithmetic_stays_decimal(wallet):
    record = UsageRecord.objects.get(pk=charged(wallet, "0.6462", cost_usd=Decimal("0.000430774")))
    receipt = receipt_of(record)
    assert receipt.product == Decimal("0.646161")
    assert receipt.difference == Decimal("12.5538")
    assert receipt.is_rounded
