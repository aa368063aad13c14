"""A balance that falls below what its customer chose is mailed about once for each dip."""

from __future__ import annotations

import uuid
from decimal import Decimal

import pytest
from django.conf import settings
from django.db import connection, transaction

from accounts import notices
from accounts.models import Notice
from tests.factories import WalletFactory
from tests.wallets.calls import charge, hold
from wallets import holds, ledger, low_balance
from wallets.models import Wallet

pytestmark = pytest.mark.django_db


def watched(*, balance, below, **fields):
    wallet = WalletFactory(balance=balance, **fields)
    low_balance.set_threshold(wallet, credits=Decimal(below), actor=wallet.account.user)
    return wallet


def spend(wallet, credits):
    call = hold(wallet, credits)
    holds.place([call])
    holds.settle([charge(call, credits)])


def add(wallet, credits):
    with transaction.atomic():
        ledger.credit(wallet, kind="grant", amount=Decimal(credits), reference=f"grant:{uuid.uuid4()}")


def told(wallet):
    """How often beat has told of this wallet, once it has looked again."""
    low_balance.low_balance_task()
    return Notice.objects.filter(account=wallet.account, kind="low_balance").count()


def test_each_dip_is_told_once():
    wallet = watched(balance=100, below=50)
    assert told(wallet) == 0
    spend(wallet, 50)
    assert told(wallet) == 0, "at the threshold is not below it"
    spend(wallet, "0.0001")
    assert told(wallet) == 1
    spend(wallet, 10)
    assert told(wallet) == 1
    add(wallet, 1)
    assert told(wallet) == 1, "still below"
    add(wallet, 100)
    assert told(wallet) == 1
    spend(wallet, 100)
    assert told(wallet) == 2


def test_credits_that_are_only_held_are_no_dip():
    wallet = watched(balance=100, below=50)
    holds.place([hold(wallet, 99)])
    assert told(wallet) == 0


def test_who_asked_for_nothing_is_told_nothing():
    wallet = WalletFactory(balance=1)
    low_balance.set_threshold(wallet, credits=Decimal(5), actor=wallet.account.user)
    low_balance.set_threshold(wallet, credits=None, actor=wallet.account.user)
    assert told(wallet) == 0
    assert told(watched(balance=1, below=5, account__status="suspended")) == 0


def test_another_threshold_is_another_dip_but_nothing_is_said_twice_of_one_balance():
    wallet = watched(balance=10, below=50)
    assert told(wallet) == 1
    low_balance.set_threshold(wallet, credits=Decimal(60), actor=wallet.account.user)
    assert told(wallet) == 1
    spend(wallet, 1)
    low_balance.set_threshold(wallet, credits=Decimal(70), actor=wallet.account.user)
    assert told(wallet) == 2


def test_the_mail_says_how_much_there_is_and_where_to_get_more(mailoutbox):
    wallet = watched(balance="1234.5", below="2000")
    assert told(wallet) == 1
    notices.send()
    (mail,) = [mail for mail in mailoutbox if mail.to == [wallet.account.user.email]]
    assert mail.subject == "Your balance is below 2,000.0000 credits"
    assert "The balance of your wallet is 1,234.5000 credits" in mail.body
    assert settings.TOPUP_URL in mail.body
    assert f"{settings.SITE_URL}/wallet/" in mail.body


def test_calls_write_no_index_for_it_and_the_look_reads_only_wallets_that_asked():
    for _ in range(30):
        WalletFactory()
    with connection.cursor() as cursor:
        cursor.execute("select indexdef from pg_indexes where tablename = 'wallets_wallet'")
        assert not any("balance," in text or "(balance" in text for (text,) in cursor.fetchall())
        cursor.execute("set local enable_seqscan = off")
        plan = Wallet.objects.filter(low_balance_credits__isnull=False).explain()
    assert "wallet_low_balance_watched" in plan


def test_beat_looks_once_a_minute():
    (entry,) = [entry for entry in settings.CELERY_BEAT_SCHEDULE.values() if entry["task"] == low_balance.low_balance_task.name]
    assert entry["schedule"] == 60
    assert low_balance.__name__ in settings.CELERY_IMPORTS
