"""A saved card is charged once for one dip, whatever dies, gets lost or comes too late."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.utils import timezone

from tests.topups.saved_cards import (
    CHARGES,
    DECLINED,
    PAYS,
    balance,
    dip,
    made_at_the_provider,
    now_as,
    of,
    payment,
    statuses,
    switched_on,
    told,
)
from tests.topups.told import moves
from wallets import alerts, audit
from wallets.automatic_top_ups import card_payments, cards, charging, terms
from wallets.models import AutoTopUp, TopUp
from wallets.top_ups import payments, reconciling

pytestmark = pytest.mark.usefixtures("committed", "line")


def test_a_lost_answer_is_asked_for_again_and_paid_once(line):
    auto = switched_on()
    line.lose_answers = True
    charging.top_up_if_low(auto.pk)
    assert (statuses(auto), balance(auto)) == (["pending"], 100)
    assert charging.top_up_if_low(auto.pk) is None, "the one whose outcome nobody knows keeps the next from being begun"
    line.lose_answers = False
    (top_up,) = of(auto)
    assert reconciling.ask(top_up) == "credited"
    assert (statuses(auto), balance(auto)) == (["paid"], 10100)
    assert made_at_the_provider(auto) == 1


def test_a_lost_refusal_is_one_failure(line):
    auto = switched_on(DECLINED)
    line.lose_answers = True
    charging.top_up_if_low(auto.pk)
    line.lose_answers = False
    assert reconciling.ask(of(auto)[0]) == "failed"
    assert (statuses(auto), now_as(auto).failures, made_at_the_provider(auto)) == (["failed"], 1, 1)


def test_a_worker_that_is_killed_before_it_charges_loses_nothing(line, settings):
    auto = switched_on()
    line.hold()
    environment = {
        "DATABASE_URL": urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl(),
        "STRIPE_SECRET_KEY": settings.STRIPE_SECRET_KEY,
        "STRIPE_API_BASE": settings.STRIPE_API_BASE,
    }
    call = f"from wallets.automatic_top_ups.charging import top_up_if_low; top_up_if_low({auto.pk})"
    worker = subprocess.Popen([sys.executable, "manage.py", "shell", "-v", "0", "-c", call], env={**os.environ, **environment})
    try:
        assert line.asked_and_held.wait(60)
    finally:
        worker.kill()
        worker.wait()
    line.release()
    assert (statuses(auto), made_at_the_provider(auto)) == (["pending"], 0)
    TopUp.objects.filter(wallet=auto.wallet_id).update(created_at=timezone.now() - timedelta(minutes=10))
    reconciling.reconcile()
    assert (statuses(auto), balance(auto), made_at_the_provider(auto)) == (["paid"], 10100, 1)


@pytest.mark.parametrize("why", ["off", "removed", "too late", "filled"])
def test_what_is_wanted_no_more_is_looked_for_and_not_charged(line, why):
    auto = switched_on()
    charging.begin(auto.pk)
    if why == "off":
        terms.switch_off(auto.wallet, reason=AutoTopUp.OffReason.CUSTOMER, actor=None)
    elif why == "removed":
        # Here; the provider has yet to hear of it
        cards.remove(auto.wallet, actor=auto.wallet.account.user)
    elif why == "filled":
        dip(auto, to=1000)
    else:
        TopUp.objects.filter(wallet=auto.wallet_id).update(expires_at=timezone.now())
    assert reconciling.ask(of(auto)[0]) == "expired"
    assert (statuses(auto), line.count(*CHARGES)) == (["expired"], 0)
    assert (now_as(auto).failures, told(auto, "auto_topup_failed")) == (0, 0)


def test_what_was_paid_before_it_was_wanted_no_more_is_credited(line):
    auto = switched_on()
    line.lose_answers = True
    charging.top_up_if_low(auto.pk)
    line.lose_answers = False
    terms.switch_off(auto.wallet, reason=AutoTopUp.OffReason.CUSTOMER, actor=None)
    assert reconciling.ask(of(auto)[0]) == "credited"
    assert (balance(auto), made_at_the_provider(auto)) == (10100, 1)


def test_an_answer_that_does_not_fit_is_for_staff_until_the_payment_is_settled(line):
    auto = switched_on()
    line.lose_answers = True
    charging.top_up_if_low(auto.pk)
    line.lose_answers = False
    (top_up,) = of(auto)
    TopUp.objects.filter(pk=top_up.pk).update(amount_usd=11)
    assert reconciling.ask(TopUp.objects.get(pk=top_up.pk)) == "refused"
    assert alerts.in_question().get(pk=top_up.pk).problem == "it is about 1000 cents, not 1100"
    TopUp.objects.filter(pk=top_up.pk).update(amount_usd=10)
    assert reconciling.ask(TopUp.objects.get(pk=top_up.pk)) == "credited"
    assert not alerts.in_question().filter(pk=top_up.pk).exists()


def test_the_webhook_may_come_before_the_answer(stripe, line):
    auto = switched_on()
    line.lose_answers = True
    charging.top_up_if_low(auto.pk)
    line.lose_answers = False
    (top_up,) = of(auto)
    provider = payments.by_name("stripe")
    made = card_payments.find(provider, top_up)
    assert stripe.says("payment_intent.succeeded", payment(top_up, id=made.id)) == "credited"
    assert charging.charge(top_up) == "duplicate"
    assert len(moves(auto.wallet)) == 2


@pytest.mark.parametrize(("number", "type", "ends"), [(PAYS, "succeeded", "paid"), (DECLINED, "payment_failed", "failed")])
def test_answers_and_webhooks_at_once_count_once(stripe, line, number, type, ends):
    auto = switched_on(number)
    line.lose_answers = True
    charging.top_up_if_low(auto.pk)
    line.lose_answers = False
    (top_up,) = of(auto)
    made = card_payments.find(payments.by_name("stripe"), top_up)
    about = payment(top_up, id=made.id, status=made.status, amount_received=made.received)

    def say(number: int) -> None:
        if number % 2:
            charging.charge(top_up)
        else:
            stripe.says(f"payment_intent.{type}", about)
        connection.close()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(say, range(6)))
    assert (statuses(auto), now_as(auto).failures, len(moves(auto.wallet))) == ([ends], int(ends == "failed"), 1 + (ends == "paid"))


def test_the_books_hold():
    auto = switched_on()
    charging.top_up_if_low(auto.pk)
    assert [difference for difference in audit.audit() if difference.wallet_id == auto.wallet_id] == []
