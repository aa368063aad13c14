"""The examples of the price list, written out: what one call costs, what its receipt says, what the ledger says."""

from decimal import Decimal

import pytest

from tests.factories import WalletFactory
from tests.wallets.calls import charge, hold, now
from wallets import holds, money
from wallets.models import CreditsPerUsdRate, UsageRecord

pytestmark = pytest.mark.usefixtures("clean_books")


def test_two_tenths_of_a_cent_at_1500_cost_three_credits():
    """0.00200 USD x 1500 = 3.0000 credits, for reference 0.0030 USD."""
    cost = Decimal("0.00200")
    credits = money.credits(money.product(cost, credits_per_usd=Decimal(1500)))
    assert money.as_text(credits) == "3.0000"
    assert money.as_text(money.usd_reference(credits, rate=Decimal(1000))) == "0.0030"

    wallet = WalletFactory(balance="10")
    held = hold(wallet, "4.5", credits_per_litellm_usd=Decimal(1500), price_version=7, metadata={"order": "7"}, key_id=12, stream=True)
    assert [verdict.kind for verdict in holds.place([held])] == ["held"]
    assert now(wallet) == (Decimal("10.0000"), Decimal("4.5000"), 1)

    tokens = {"prompt_tokens": 1000, "cached_tokens": 10, "cache_write_tokens": 20, "completion_tokens": 500, "reasoning_tokens": 30}
    (settled,) = holds.settle(
        [
            charge(
                held,
                credits,
                cost_usd=cost,
                route="sandbox",
                cost_source="decimal",
                attempts=[{"route": "sandbox", "outcome": "answered"}],
                latency_ms=1200,
                first_output_ms=300,
                **tokens,
            )
        ]
    )
    assert settled == holds.Settled("charged", Decimal("0.0030"), Decimal("1000.0000"), Decimal("7.0000"))
    assert now(wallet) == (Decimal("7.0000"), Decimal("0.0000"), 0)

    record = UsageRecord.objects.get(pk=held.usage_id)
    assert (record.status, record.clause, record.outcome) == ("charged", "complete", "answered")
    assert (str(record.hold_credits), str(record.charged_credits), str(record.cost_usd)) == ("4.5000", "3.0000", "0.002000000000")
    assert (str(record.credits_usd_reference), str(record.credits_per_usd_rate)) == ("0.0030", "1000.0000")
    assert (record.credits_per_litellm_usd, record.price_version, record.cost_source) == (1500, 7, "decimal")
    assert {name: getattr(record, name) for name in tokens} == tokens
    assert (record.metadata, record.attempts) == ({"order": "7"}, [{"route": "sandbox", "outcome": "answered"}])
    assert (record.latency_ms, record.first_output_ms, record.key_id, record.stream, record.route) == (1200, 300, 12, True, "sandbox")
    assert record.closed_at >= record.created_at

    entry = wallet.ledger.get(kind="charge")
    assert (entry.reference, str(entry.amount), str(entry.balance_after), entry.seq) == (f"charge:{record.pk}", "-3.0000", "7.0000", 2)
    assert entry.usage_record == record


@pytest.mark.parametrize(
    ("credits", "rate", "reference"),
    [
        ("3.0000", "1000", "0.0030"),
        ("0.0499", "1000", "0.0000"),
        ("0.0500", "1000", "0.0001"),
        ("1.0000", "3", "0.3333"),
        ("2.0000", "3", "0.6667"),
    ],
)
def test_the_reference_uses_the_wallets_own_rate(credits, rate, reference):
    wallet = WalletFactory(balance="10")
    CreditsPerUsdRate.objects.create(wallet=wallet, value=Decimal(rate), reason="a deal")
    held = hold(wallet, credits)
    holds.place([held])
    (settled,) = holds.settle([charge(held, credits)])
    assert (str(settled.credits_usd_reference), settled.rate) == (reference, Decimal(rate))
    assert money.usd_reference(Decimal(credits), rate=Decimal(rate)) == settled.credits_usd_reference


def test_a_charge_that_rounds_to_nothing_still_has_its_entry():
    wallet = WalletFactory(balance="1")
    held = hold(wallet, "0.0010")
    holds.place([held])
    holds.settle([charge(held, "0.0000", cost_usd=Decimal("0.00000004"))])
    entry = wallet.ledger.get(kind="charge")
    assert (str(entry.amount), str(entry.balance_after)) == ("0.0000", "1.0000")


def test_the_rate_at_the_time_of_the_response_counts():
    """A rate set while the call runs is the one on its receipt; one for tomorrow is not."""
    wallet = WalletFactory(balance="10")
    held = hold(wallet, 2)
    holds.place([held])
    CreditsPerUsdRate.objects.create(wallet=wallet, value=Decimal(500), reason="a deal")
    CreditsPerUsdRate.objects.create(wallet=wallet, value=Decimal(100), reason="tomorrow", effective_from="2999-01-01T00:00Z")
    (settled,) = holds.settle([charge(held, 2)])
    assert (settled.rate, str(settled.credits_usd_reference)) == (500, "0.0040")


def test_a_dearer_prompt_than_estimated_takes_the_wallet_below_zero_and_then_it_takes_no_work():
    wallet = WalletFactory(balance="2")
    held = hold(wallet, 2)
    holds.place([held])
    assert holds.settle([charge(held, "2.5")])[0].balance == Decimal("-0.5000")
    assert now(wallet) == (Decimal("-0.5000"), 0, 0)
    assert [verdict.kind for verdict in holds.place([hold(wallet, 1), hold(wallet, 0)])] == ["insufficient", "insufficient"]
