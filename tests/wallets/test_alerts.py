"""What staff must look at is found in the books, logged by kind when there is something new to say, and read from small indexes."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.models import F

from accounts import notices
from accounts.models import Notice
from tests.factories import WalletFactory
from tests.topups.told import pending
from tests.wallets.calls import charge, giving_back, hold
from tests.wallets.quiet_books import quiet_books
from wallets import alerts, holds
from wallets.models import AuditRun, Dispute, UsageRecord, Wallet

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _books_without_alerts():
    quiet_books()


def called(wallet, /, *, hours_ago: float = 0, charged=None, **fields):
    """A call that ended so long ago: charged, or given up at a cost of ours."""
    held = hold(wallet, 1, route=fields.pop("route", "a-route"))
    holds.place([held])
    if hours_ago:
        UsageRecord.objects.filter(pk=held.usage_id).update(created_at=F("created_at") - dt.timedelta(hours=hours_ago))
    if charged is None:
        holds.release([giving_back(held, **fields)])
    else:
        holds.settle([charge(held, charged, **fields)])
    return held.usage_id


def opened(wallet, *, seconds_ago: float) -> str:
    held = hold(wallet, 1)
    holds.place([held])
    UsageRecord.objects.filter(pk=held.usage_id).update(created_at=F("created_at") - dt.timedelta(seconds=seconds_ago))
    return held.usage_id


def logged(caplog) -> dict[str, dict]:
    """What a run of the job says that remembers none before it, by kind: level, message and the plain values that come with it."""
    cache.delete(alerts.SAID)
    return said_next(caplog)


def said_next(caplog) -> dict[str, dict]:
    """What another run of the job says."""
    caplog.clear()
    alerts.alerts_task()
    lines = [record for record in caplog.records if record.name == "wallets.alerts"]
    assert all((line.levelname, line.getMessage()) == ("ERROR", f"staff must look: {line.alert}") for line in lines)
    assert len({line.alert for line in lines}) == len(lines), "once for each kind"
    return {line.alert: line.__dict__ for line in lines}


def test_where_there_is_nothing_to_look_at_nothing_is_said(caplog):
    wallet = WalletFactory(balance=100)
    called(wallet, charged=1)
    called(wallet, absorbed_cost_usd=Decimal("4.99"))
    opened(wallet, seconds_ago=60)
    assert (alerts.flagged(), alerts.absorbed(), list(alerts.below_zero()), list(alerts.never_ended())) == ([], [], [], [])
    assert logged(caplog) == {}


def test_flagged_calls_of_a_day_are_counted_by_alert_and_route(caplog):
    wallet = WalletFactory(balance=100)
    for route, alert in [("one", "a cost of 0"), ("one", "a cost of 0"), ("two", "a cost of 0"), ("one", "no usage")]:
        called(wallet, charged=0, alert=alert, route=route, estimated=True)
    called(wallet, charged=0, alert="no usage", hours_ago=25)
    assert alerts.flagged() == [
        alerts.Flagged("a cost of 0", "one", 2),
        alerts.Flagged("a cost of 0", "two", 1),
        alerts.Flagged("no usage", "one", 1),
    ]
    line = logged(caplog)["flagged"]
    assert (line["calls"], line["flags"]) == (4, "2 x a cost of 0 (one), 1 x a cost of 0 (two), 1 x no usage (one)")


def test_an_account_whose_failed_tries_cost_more_than_the_limit(caplog, settings):
    dear, dearer, fair = (WalletFactory(balance=100) for _ in range(3))
    for wallet, usd in [(dear, "3"), (dear, "2.000000000001"), (dearer, "9"), (fair, "5")]:
        called(wallet, absorbed_cost_usd=Decimal(usd))
    called(dear, absorbed_cost_usd=Decimal(100), hours_ago=25)
    assert alerts.absorbed() == [alerts.Absorbed(dearer, Decimal(9), 1), alerts.Absorbed(dear, Decimal("5.000000000001"), 2)]
    line = logged(caplog)["absorbed"]
    assert (line["accounts"], line["usd"], line["wallets"]) == (2, "14.00", f"{dearer.pk}, {dear.pk}")
    assert dear.account.user.email not in json.dumps(line, default=str)
    settings.ABSORBED_ALERT_USD = Decimal(9)
    assert alerts.absorbed() == []


def test_a_wallet_below_zero(caplog):
    wallets = [WalletFactory(balance=1), WalletFactory(balance=1)]
    for wallet, credits in zip(wallets, (2, 3), strict=True):
        called(wallet, charged=credits)
    assert list(alerts.below_zero()) == wallets[::-1]
    line = logged(caplog)["below zero"]
    assert (line["count"], line["wallets"]) == (2, f"{wallets[1].pk}, {wallets[0].pk}")


def test_a_call_that_is_open_for_longer_than_any_may_last(caplog, settings):
    wallet = WalletFactory(balance=100)
    stuck, _ = opened(wallet, seconds_ago=1600), opened(wallet, seconds_ago=1490)
    assert [record.pk for record in alerts.never_ended()] == [stuck]
    line = logged(caplog)["never ended"]
    assert (line["count"], line["calls"]) == (1, stuck)
    settings.CHAT_TOTAL_SECONDS = 1200
    assert list(alerts.never_ended()) == []


@pytest.mark.parametrize(
    ("run", "says"),
    [
        ({"differences": 3}, ("differences", 3)),
        ({"differences": 0, "ended_at": dt.datetime.now(dt.UTC) - dt.timedelta(hours=25)}, ("overdue", 0)),
        (None, ("never", 0)),
    ],
)
def test_an_audit_that_is_not_well(caplog, run, says):
    AuditRun.objects.all().delete()
    if run is not None:
        AuditRun.objects.create(wallets=1, entries=1, usage_records=1, **run)
    line = logged(caplog)["audit"]
    assert (line["state"], line["differences"]) == says


def test_a_dispute_until_it_is_decided_and_a_day_longer_if_it_is_lost(caplog):
    top_up = pending(WalletFactory())
    dispute = Dispute.objects.create(top_up=top_up, dispute_id="du_1", amount_usd=10)
    line = logged(caplog)["disputes open"]
    assert (line["count"], line["top_ups"]) == (1, top_up.pk)
    assert said_next(caplog) == {}
    now = dt.datetime.now(dt.UTC)
    Dispute.objects.filter(pk=dispute.pk).update(status="lost", closed_at=now)
    assert list(said_next(caplog)) == ["disputes lost"]
    Dispute.objects.filter(pk=dispute.pk).update(closed_at=now - dt.timedelta(hours=25))
    assert logged(caplog) == {}


def test_a_mail_that_no_try_could_send(caplog, settings):
    settings.EMAIL_BACKEND = "tests.no.such.backend"
    notices.tell(WalletFactory().account, "low_balance", reference="a mail", context={})
    notice = Notice.objects.filter(reference="a mail")
    notice.update(tries=notices.MOST_TRIES - 2)
    for kinds in ([], ["mails given up"]):
        notice.update(next_try_at=dt.datetime.now(dt.UTC) - dt.timedelta(days=999))
        notices.send()
        assert list(logged(caplog)) == kinds
    line = logged(caplog)["mails given up"]
    assert (line["count"], line["notices"]) == (1, str(notice.get().pk))
    notice.update(next_try_at=F("next_try_at") - dt.timedelta(hours=24))
    assert logged(caplog) == {}


def test_one_line_names_a_few_of_many(caplog):
    for _ in range(alerts.NAMED + 2):
        called(WalletFactory(balance=1), charged=2)
    line = logged(caplog)["below zero"]
    assert (line["count"], len(line["wallets"].split(", "))) == (alerts.NAMED + 2, alerts.NAMED)


def test_what_stays_as_it_is_is_said_again_after_an_hour_only(caplog):
    wallet = WalletFactory(balance=100)
    called(wallet, charged=0, alert="no usage", estimated=True)
    assert list(logged(caplog)) == ["flagged"]
    assert said_next(caplog) == {}
    called(WalletFactory(balance=1), charged=2)
    assert list(said_next(caplog)) == ["below zero"], "a kind that comes up"
    called(wallet, charged=0, alert="no usage", estimated=True)
    assert list(said_next(caplog)) == ["flagged"], "numbers that change"
    assert said_next(caplog) == {}
    an_hour_passes()
    assert sorted(said_next(caplog)) == ["below zero", "flagged"]
    assert said_next(caplog) == {}


def test_a_kind_that_comes_up_again_is_said_again(caplog):
    wallet = WalletFactory(balance=1)
    called(wallet, charged=2)
    assert list(logged(caplog)) == ["below zero"]
    Wallet.objects.filter(pk=wallet.pk).update(balance=0)
    assert said_next(caplog) == {}
    Wallet.objects.filter(pk=wallet.pk).update(balance=-1)
    assert list(said_next(caplog)) == ["below zero"]


def an_hour_passes() -> None:
    cache.set(alerts.SAID, {kind: (facts, at - alerts.AGAIN_SECONDS) for kind, (facts, at) in cache.get(alerts.SAID).items()})


def test_beat_runs_it_by_name():
    (entry,) = [entry for entry in settings.CELERY_BEAT_SCHEDULE.values() if entry["task"] == alerts.alerts_task.name]
    assert alerts.alerts_task.name == "wallets.alerts"
    assert sorted(entry["schedule"].minute) == list(range(0, 60, 5))
    assert alerts.alerts_task.__module__ in settings.CELERY_IMPORTS


def test_what_is_of_no_matter_is_not_read():
    """Among thousands of good calls the few others are found by indexes of their own."""
    wallet = WalletFactory(balance=1)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            insert into wallets_usagerecord
                   (id, wallet_id, capability, status, clause, hold_credits, absorbed_cost_usd, alert, process_id, created_at, closed_at)
            select 'chatcmpl_' || %(wallet)s || '_' || n, %(wallet)s, 'chat', case when n <= 3 then 'open' else 'released' end, '', 1,
                   case when n <= 3 then 9 else 0 end, case when n <= 3 then 'no usage' else '' end, 'p' || n,
                   now() - interval '2 hours', case when n > 3 then now() end
              from generate_series(1, 4000) n""",
            {"wallet": wallet.pk},
        )
        cursor.execute("analyze wallets_usagerecord")
        assert (alerts.flagged()[0].calls, alerts.absorbed()[0].calls, alerts.never_ended().count()) == (3, 3, 3)
        for records, index in [
            (alerts.flagged_calls(), "usage_with_alert"),
            (alerts.absorbed_calls(), "usage_absorbed"),
            (alerts.never_ended(), "usage_open_by_process"),
        ]:
            assert index in records.explain()
