"""Mails about spend caps: at 80 % and when all is spent, once each, and about the key that its owner has now."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection

from accounts.models import Notice
from accounts.notices import send
from keys.cap_notices import tell_caps, tell_caps_task
from keys.rotating import rotate
from tests.factories import ApiKeyFactory, WalletFactory
from tests.wallets.calls import charge, hold
from tests.wallets.days import days_pass
from wallets import holds
from wallets.budgets import set_caps
from wallets.models import Wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def key():
    return ApiKeyFactory(account=WalletFactory(balance=1000).account, name="shop & co")


def cap(key, **limits):
    given = {window: None if limit is None else Decimal(limit) for window, limit in limits.items()}
    set_caps(wallet_of(key), key_id=key.pk, limits=given, actor=None)


def wallet_of(key) -> Wallet:
    return Wallet.objects.get(account=key.account)


def spent(key, credits):
    one = hold(wallet_of(key), credits, key_id=key.pk)
    holds.place([one])
    holds.settle([charge(one, credits)])


def told(key):
    tell_caps()
    return sorted((notice.context["percent"], notice.context["window"]) for notice in Notice.objects.filter(account=key.account))


def mailed(key, mailoutbox):
    tell_caps()
    send()
    return [mail for mail in mailoutbox if mail.to == [key.account.user.email]]


def test_it_comes_at_80_percent_and_at_all_once(key):
    cap(key, day=10)
    spent(key, "7.9999")
    assert told(key) == []
    spent(key, "0.0001")
    assert told(key) == told(key) == [(80, "day")]
    spent(key, 2)
    assert told(key) == told(key) == [(80, "day"), (100, "day")]


def test_all_of_it_at_once_is_one_mail(key):
    cap(key, day=10, total=100)
    spent(key, 10)
    assert told(key) == [(100, "day")]


@pytest.mark.parametrize(("limit", "percent"), [("10", 90), ("9.5", 94), ("9", 100), ("5", 100)])
def test_a_limit_that_is_lowered_to_where_the_key_stands_is_told(key, limit, percent):
    cap(key, day=100)
    spent(key, 9)
    assert told(key) == []
    cap(key, day=limit)
    assert told(key) == [(80 if percent < 100 else 100, "day")]


def test_every_window_is_told_by_itself(key):
    cap(key, day=10, week=11, month=12, total=100)
    spent(key, 9)
    assert told(key) == [(80, "day"), (80, "week")]


def test_another_limit_or_period_is_told_again_and_the_same_cap_set_again_is_not(key):
    cap(key, day=10)
    spent(key, 10)
    assert len(told(key)) == 1
    cap(key, day=None)
    cap(key, day=10)
    assert len(told(key)) == 1
    cap(key, day=11)
    assert len(told(key)) == 2
    days_pass(wallet_of(key), 1)
    assert len(told(key)) == 2
    spent(key, 11)
    assert len(told(key)) == 3


@pytest.mark.parametrize(("window", "when"), [("day", "today"), ("week", "this week"), ("month", "this month"), ("total", "in all")])
@pytest.mark.parametrize(("credits", "subject"), [(8, "A key has used 80 % of its spend limit"), (12, "A key has reached its spend limit")])
def test_it_says_which_key_how_much_and_until_when(key, mailoutbox, window, when, credits, subject):
    cap(key, **{window: 100})
    spent(key, credits)
    cap(key, **{window: 10})
    (mail,) = mailed(key, mailoutbox)
    assert mail.subject == subject
    limit = "in total" if window == "total" else f"a {window}"
    assert f"“shop & co” ({key.prefix}…) has spent {credits}.0000 credits {when}; its limit is 10.0000 credits {limit}." in mail.body
    assert ("00:00 UTC" in mail.body) == (window != "total")
    assert f"{settings.SITE_URL}/keys/{key.pk}/\n" in mail.body


def test_after_a_rotation_it_names_the_new_key_whichever_of_them_called(key, mailoutbox):
    cap(key, day=10)
    new = rotate(key, overlap=timedelta(hours=1), actor=None, submission=uuid4()).key
    spent(new, 4)
    spent(key, 4)
    (mail,) = mailed(key, mailoutbox)
    assert f"({new.prefix}…)" in mail.body
    assert f"/keys/{new.pk}/" in mail.body


def test_beat_runs_it_by_name_once_a_minute():
    (entry,) = [entry for entry in settings.CELERY_BEAT_SCHEDULE.values() if entry["task"] == tell_caps_task.name]
    assert entry["schedule"] == 60
    assert tell_caps_task.__module__ in settings.CELERY_IMPORTS


def test_one_account_that_can_not_be_told_keeps_no_other_from_it(key, caplog):
    other = ApiKeyFactory(account=WalletFactory(balance=1000).account)
    for one in (key, other):
        cap(one, day=10)
        spent(one, 10)
    with connection.cursor() as cursor:
        cursor.execute("create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$")
        cursor.execute(
            f"create trigger refusing before insert on accounts_notice for each row when (new.account_id = {key.account_id})"
            " execute function refuse()"
        )
    tell_caps()
    were_told = Notice.objects.filter(kind="spend_cap", account__in=[key.account_id, other.account_id])
    assert list(were_told.values_list("account_id", flat=True)) == [other.account_id]
    assert "a cap was not told" in caplog.text
