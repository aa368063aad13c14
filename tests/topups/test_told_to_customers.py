"""What pages and mails tell a customer of automatic top-ups, refunds and disputes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import transaction
from django.template import Context, Engine

from accounts.models import Account, Notice
from tests.browsing import signed_in, text
from tests.factories import WalletFactory
from tests.topups import saved_cards
from tests.topups.told import new, pending
from wallets import ledger
from wallets.automatic_top_ups import charging
from wallets.models import EntryKind, TopUp
from wallets.top_ups import take_backs, topups

pytestmark = pytest.mark.usefixtures("committed", "line")


def mail(notice: Notice) -> str:
    context = {**notice.context, "account": notice.account, "site_url": "https://beatra.example", "support_email": "help@beatra.example"}
    return Engine.get_default().get_template(f"mail/{notice.kind}.txt").render(Context(context, autoescape=False))


def mails(top_up: TopUp, kind: str) -> list[str]:
    return [mail(notice) for notice in Notice.objects.filter(account=top_up.wallet.account_id, kind=kind).order_by("created_at")]


def paid() -> TopUp:
    top_up = pending(WalletFactory(), amount_usd="10.00")
    topups.credit(top_up, payment_id=new("pi"))
    return top_up


def test_an_automatic_top_up_says_so_everywhere_with_its_card():
    auto = saved_cards.switched_on()
    top_up = charging.top_up_if_low(auto.pk)
    customer = signed_in(auto.wallet.account.user)
    told = mails(top_up, "topup_paid")[0]
    assert "your saved card (Visa ending in 4242) was charged automatically" in told
    assert "stop automatic top-ups: https://beatra.example/wallet/auto" in told
    receipt = customer.get(f"/wallet/top-ups/{top_up.pk}")
    assert "your saved card was charged: Visa ending in 4242. Change or stop automatic top-ups" in text(receipt)
    assert "Credits bought automatically" in text(receipt)
    assert "automatic, Visa ending in 4242" in text(customer.get("/wallet/top-ups/"))
    assert "Credits bought automatically" in text(customer.get("/wallet/"))


def test_the_page_of_one_that_failed_gives_the_reason():
    auto = saved_cards.switched_on(saved_cards.WANTS_ITS_OWNER)
    top_up = charging.top_up_if_low(auto.pk)
    shown = text(signed_in(auto.wallet.account.user).get(f"/wallet/top-ups/{top_up.pk}"))
    assert "The bank wants you to confirm payments yourself." in shown


def test_what_a_customer_bought_himself_is_not_called_automatic():
    top_up = paid()
    customer = signed_in(top_up.wallet.account.user)
    assert "automatic" not in mails(top_up, "topup_paid")[0].lower()
    assert "Credits bought automatically" not in text(customer.get("/wallet/"))
    assert "Change or stop" not in text(customer.get(f"/wallet/top-ups/{top_up.pk}"))


def test_refunds_in_parts_say_the_part_and_the_sum():
    top_up = paid()
    for sum_usd in ("2.50", "4.00", "10.00"):
        take_backs.refund(top_up, refunded_usd=Decimal(sum_usd))
    first, second, last = mails(top_up, "topup_refunded")
    assert first.startswith("$2.50 of your payment of $10.00 was given back\n")
    assert "in all" not in first
    assert second.startswith("$1.50 of your payment of $10.00 was given back\n")
    assert "$1.50 was given back to you, which makes $4.00 in all." in second
    assert last.startswith("Your payment of $10.00 is refunded in full\n")
    assert "$6.00 was given back to you: it is refunded in full." in last


def test_a_dispute_says_why_on_every_page_and_leaves_nothing_to_turn_on():
    auto = saved_cards.switched_on()
    top_up = charging.top_up_if_low(auto.pk)
    take_backs.dispute(top_up, dispute_id=new("du"), amount_usd=Decimal(10))
    customer = signed_in(auto.wallet.account.user)
    for page in ("/", "/wallet/", "/wallet/auto"):
        shown = text(customer.get(page))
        assert "Your account is suspended: a payment was disputed." in shown
        assert "support@beatra.example" in shown
        assert "credits that new calls can use" not in shown
    assert "Allow and turn on" not in text(customer.get("/wallet/auto"))
    assert "write to help@beatra.example" in mails(top_up, "topup_disputed")[0]


def test_staffs_suspension_speaks_of_no_dispute():
    wallet = WalletFactory(account__status=Account.Status.SUSPENDED)
    shown = text(signed_in(wallet.account.user).get("/"))
    assert "Your account is suspended." in shown
    assert "disputed" not in shown


@pytest.mark.parametrize("won", [True, False])
def test_a_dispute_that_was_won_is_told_by_mail_and_on_the_receipt(won):
    top_up = paid()
    about = {"dispute_id": new("du"), "amount_usd": Decimal(10)}
    take_backs.dispute(top_up, **about)
    take_backs.close_dispute(top_up, **about, won=won)
    told = mails(top_up, "topup_dispute_won")
    receipt = text(signed_in(top_up.wallet.account.user).get(f"/wallet/top-ups/{top_up.pk}"))
    if not won:
        assert told == []
        assert "decided: your bank keeps the money" in receipt
        return
    assert len(told) == 1
    assert "The 10,000.0000 credits\nthat were taken out of your wallet for it are back." in told[0]
    assert "stays suspended until our support opens it again: write to help@beatra.example" in told[0]
    assert "your payment stands; its 10,000.0000 credits came back" in receipt
    assert "Dispute ended: credits back" in receipt


def test_a_wallet_below_zero_is_not_called_empty():
    top_up = paid()
    wallet = top_up.wallet
    customer = signed_in(wallet.account.user)

    with transaction.atomic():
        ledger.credit(wallet, kind=EntryKind.ADJUSTMENT, amount=Decimal(-8000), reference=new("adjustment"))
    take_backs.refund(top_up, refunded_usd=Decimal(10))
    for page in ("/", "/wallet/"):
        shown = text(customer.get(page))
        assert "Your wallet is below zero. Its balance is \N{MINUS SIGN}8,000.0000 credits" in shown
        assert "empty" not in shown
    assert "What you add first makes up for what the wallet is below zero." in text(customer.get("/wallet/add/"))
