"""The page of automatic top-ups, and what staff see of them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from django.template import Context, Engine
from django.utils import timezone

from accounts.models import Event, Notice
from tests.browsing import read, signed_in, text
from tests.factories import AccountFactory, StaffFactory, WalletFactory
from tests.topups import saved_cards
from tests.topups.told import new, pending
from wallets.automatic_top_ups import charging, outcomes, terms
from wallets.models import AutoTopUp, TopUp
from wallets.top_ups import topups

pytestmark = pytest.mark.usefixtures("committed", "line")

PAGE = "/wallet/auto"
SETTINGS = {"threshold_credits": "2000", "amount_usd": "25.00", "monthly_ceiling_usd": "75"}


@pytest.fixture
def wallet():
    return WalletFactory()


@pytest.fixture
def customer(wallet):
    return signed_in(wallet.account.user)


def of(wallet) -> AutoTopUp:
    return AutoTopUp.objects.get(wallet=wallet)


def test_a_stranger_is_sent_to_sign_in(client):
    assert client.get(PAGE, headers={"host": "localhost"}).headers["location"].startswith("/accounts/login/")


def test_looking_sets_nothing(customer, wallet):
    response = customer.get(PAGE)
    assert "No card is saved" in text(response)
    assert read(response).inline == []
    assert not AutoTopUp.objects.filter(wallet=wallet).exists()


def test_from_no_card_to_on(customer, wallet):
    response = customer.post(f"{PAGE}/card")
    assert response.status_code == 302
    back = httpx.post(response.headers["location"], data={"number": saved_cards.PAYS}, timeout=60).headers["location"]
    assert back.endswith(f"{PAGE}?saved=1")
    assert "Your card is saved: Visa ending in 4242" in text(customer.get(f"{PAGE}?saved=1", follow=True))
    shown = text(customer.get(PAGE))
    assert "I allow beatra to charge this card (Visa ending in 4242, expires 12/2034)" in shown
    customer.post(PAGE, {**SETTINGS, "on": "1"})
    auto = of(wallet)
    assert (auto.is_on, auto.threshold_credits, auto.amount_usd, auto.monthly_ceiling_usd) == (True, 2000, 25, 75)
    events = list(Event.objects.filter(account=wallet.account_id).order_by("id").values_list("kind", "actor"))
    assert events == [(f"auto_top_up.{kind}", wallet.account.user_id) for kind in ("card_saved", "changed", "on")]
    customer.post(f"{PAGE}/off")
    assert (of(wallet).is_on, of(wallet).off_reason) == (False, "customer")


def test_saving_does_not_switch_on(customer, wallet):
    saved_cards.saved(wallet)
    customer.post(PAGE, SETTINGS)
    assert (of(wallet).is_on, of(wallet).amount_usd) == (False, 25)


def test_it_can_not_be_on_without_a_card(customer, wallet):
    response = customer.post(PAGE, {**SETTINGS, "on": "1"})
    assert (response.status_code, "Save a card first." in text(response)) == (409, True)
    assert 'value="75"' in response.content.decode()
    assert not AutoTopUp.objects.filter(wallet=wallet, is_on=True).exists()


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("threshold_credits", "", "Give the number of credits"),
        ("threshold_credits", "0", "must be above zero"),
        ("threshold_credits", "NaN", "Give the credits in digits"),
        ("threshold_credits", "50,000", "in digits, with a point for decimals and nothing else"),
        ("amount_usd", "1,000", "in digits, with a point for cents and nothing else"),
        ("amount_usd", "4.99", "Choose an amount from $5.00 to $1,000.00."),
        ("amount_usd", "1000.01", "Choose an amount from $5.00 to $1,000.00."),
        ("amount_usd", "10.001", "Whole cents only"),
        ("monthly_ceiling_usd", "24.99", "The ceiling must have room for one top-up."),
        ("monthly_ceiling_usd", "1e30", "No more than $1,000,000"),
    ],
)
def test_an_error_loses_nothing_that_was_entered(customer, wallet, field, value, problem):
    sent = {**SETTINGS, field: value}
    response = customer.post(PAGE, sent)
    assert response.status_code == 422
    assert problem in text(response)
    assert all(f'value="{entered}"' in response.content.decode() for entered in sent.values() if entered)
    assert not AutoTopUp.objects.filter(wallet=wallet).exists()


def test_what_is_left_of_the_month_and_what_happened_last():
    auto = saved_cards.switched_on(ceiling="15.00")
    charging.top_up_if_low(auto.pk)
    customer = signed_in(auto.wallet.account.user)
    shown = text(customer.get(PAGE))
    assert "Charged $10.00" in shown
    assert "Left of the ceiling $5.00" in shown
    assert "This month's ceiling has no room for another top-up." in shown
    assert TopUp.objects.get(wallet=auto.wallet).pk in shown


def test_a_failure_says_what_the_bank_wants():
    auto = saved_cards.switched_on(saved_cards.WANTS_ITS_OWNER)
    charging.top_up_if_low(auto.pk)
    shown = text(signed_in(auto.wallet.account.user).get(PAGE))
    assert "Your card could not be charged. The next try is after" in shown
    assert "The bank wants you to confirm payments yourself." in shown


@pytest.mark.parametrize("reason", [reason for reason in AutoTopUp.OffReason if reason not in ("customer", "card_removed")])
def test_who_switched_it_off_is_said(reason):
    auto = saved_cards.switched_on()
    outcomes.switch_off(auto, reason=reason)
    customer = signed_in(auto.wallet.account.user)
    assert "Switched off" in text(customer.get(PAGE))
    customer.post(PAGE, {**SETTINGS, "on": "1"})
    assert (of(auto.wallet).is_on, of(auto.wallet).off_reason) == (True, "")


def test_removing_the_card_asks_once():
    auto = saved_cards.switched_on()
    customer = signed_in(auto.wallet.account.user)
    assert "Remove the card?" in text(customer.get(f"{PAGE}/card/remove"))
    assert of(auto.wallet).has_card
    customer.post(f"{PAGE}/card/remove")
    assert not of(auto.wallet).has_card
    assert customer.get(f"{PAGE}/card/remove").status_code == 302


def test_a_suspended_customer_can_switch_off_but_not_on():
    wallet = WalletFactory(account=AccountFactory(status="suspended"))
    customer = signed_in(wallet.account.user)
    assert customer.post(PAGE, {**SETTINGS, "on": "1"}).status_code == 409
    assert "/wallet/auto/card" not in customer.get(PAGE).content.decode()


def test_where_top_ups_are_not_set_up_it_says_so(customer, settings):
    settings.STRIPE_SECRET_KEY = settings.SANDBOX_CHECKOUT_KEY = ""
    assert "not set up" in text(customer.get(PAGE))
    assert "Top-ups are not set up." in text(customer.post(f"{PAGE}/card", follow=True))


@pytest.mark.parametrize("kind", ["failed", "off", "ceiling"])
def test_the_mails_say_what_to_do(kind):
    auto = saved_cards.switched_on(saved_cards.DECLINED, ceiling="10.00")
    if kind == "failed":
        charging.top_up_if_low(auto.pk)
    elif kind == "off":
        outcomes.switch_off(auto, reason=AutoTopUp.OffReason.FAILURES)
    else:
        earlier = pending(auto.wallet, amount_usd="5.00", credits=1, kind="auto", session_id="", customer_id="cus", payment_method_id="pm")
        topups.credit(earlier, payment_id=new("pi"))
        AutoTopUp.objects.filter(pk=auto.pk).update(next_try_at=timezone.now())
        charging.top_up_if_low(auto.pk)
    notice = Notice.objects.get(account=auto.wallet.account_id, kind=f"auto_topup_{kind}")
    context = {**notice.context, "account": notice.account, "site_url": "https://beatra.example"}
    told = Engine.get_default().get_template(f"mail/{notice.kind}.txt").render(Context(context, autoescape=False))
    assert "https://beatra.example/wallet/auto" in told
    assert "Visa ending in 0341" in told
    assert {"failed": "try again after", "off": "three times in a row", "ceiling": "ceiling of $10.00"}[kind] in told


def test_a_card_of_another_provider_must_be_saved_again():
    auto = saved_cards.switched_on()
    AutoTopUp.objects.filter(pk=auto.pk).update(provider="sandbox", is_on=False)
    customer = signed_in(auto.wallet.account.user)
    assert "Your card must be saved again" in text(customer.get(PAGE))
    assert customer.post(PAGE, {**SETTINGS, "on": "1"}).status_code == 409


def test_staff_look_and_switch_off_with_a_reason():
    auto = saved_cards.switched_on()
    staff = signed_in(StaffFactory(is_superuser=True))
    listed = f"/admin/wallets/autotopup/?q={auto.wallet.account.user.email}"
    assert "Visa ending in 4242" in text(staff.get(listed))
    page = f"/admin/wallets/autotopup/{auto.pk}/"
    assert staff.get(f"{page}change/").status_code == 200
    staff.post(f"{page}change/", {"is_on": ""})
    assert of(auto.wallet).is_on
    assert staff.post(f"{page}off/", {"reason": ""}).status_code == 200
    assert of(auto.wallet).is_on
    staff.post(f"{page}off/", {"reason": "asked by mail"})
    assert (of(auto.wallet).is_on, of(auto.wallet).off_reason) == (False, "staff")
    switched = Event.objects.get(account=auto.wallet.account_id, kind="auto_top_up.off")
    assert (switched.actor, switched.data) == (staff.user, {"reason": "staff", "note": "asked by mail"})


def test_staff_who_may_only_look_can_not_switch_off():
    auto = saved_cards.switched_on()
    staff = signed_in(StaffFactory(permissions=["wallets.view_autotopup"]))
    assert staff.get(f"/admin/wallets/autotopup/{auto.pk}/change/").status_code == 200
    assert staff.post(f"/admin/wallets/autotopup/{auto.pk}/off/", {"reason": "x"}).status_code == 403
    assert of(auto.wallet).is_on


def test_what_is_proposed_buys_sense(wallet):
    auto = terms.proposed(wallet)
    assert (auto.amount_usd, auto.monthly_ceiling_usd) == (Decimal(25), Decimal(125))


def test_too_many_failures_of_a_day_are_told_until_when():
    auto = saved_cards.switched_on(saved_cards.DECLINED)
    for _ in range(4):
        charging.top_up_if_low(auto.pk)
        saved_cards.saved(auto.wallet, saved_cards.DECLINED)
        saved_cards.allow(auto)
    charging.top_up_if_low(auto.pk)
    saved_cards.again(auto)
    charging.top_up_if_low(auto.pk)
    until = TopUp.objects.filter(wallet=auto.wallet).earliest("created_at").created_at + timedelta(days=1)
    customer = signed_in(auto.wallet.account.user)
    assert f"The next try is after {until:%Y-%m-%d %H:%M} UTC" in text(customer.get(PAGE))
    terms.switch_off(auto.wallet, reason=AutoTopUp.OffReason.CUSTOMER, actor=auto.wallet.account.user)
    response = customer.post(PAGE, SETTINGS | {"on": "1"})
    assert (response.status_code, "Too many payments have failed." in text(response)) == (409, True)
