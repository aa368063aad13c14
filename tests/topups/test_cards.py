"""A card is saved at the provider, replaced and removed; what the provider says about it must fit."""

from __future__ import annotations

import json

import httpx
import pytest
from django.utils import timezone

from accounts.models import Event
from tests.browsing import signed_in, text
from tests.contract.wire import eventually
from tests.factories import AccountFactory, WalletFactory
from tests.topups import saved_cards
from tests.topups.saved_cards import DECLINED, enter, saved
from tests.topups.told import event
from wallets import alerts
from wallets.automatic_top_ups import card_payments, cards, charging, old_cards, outcomes
from wallets.models import AutoTopUp, WebhookEvent
from wallets.top_ups import payments, reconciling, topups

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def wallet():
    return WalletFactory()


@pytest.fixture
def provider(line) -> payments.Configured:
    found = payments.by_name("stripe")
    assert found is not None
    return found


def session_of(auto: AutoTopUp, provider: payments.Configured) -> dict:
    """The Checkout Session of the card that is being entered, as the provider tells of it."""
    return payments.ask(lambda client: client.v1.checkout.sessions.retrieve(auto.setup_session_id), provider)


def at_the_provider(auto: AutoTopUp, provider: payments.Configured) -> list[str]:
    found = payments.ask(lambda client: client.v1.customers.payment_methods.list(auto.customer_id), provider)
    return [method["id"] for method in found["data"]]


def of(wallet) -> AutoTopUp:
    return AutoTopUp.objects.get(wallet=wallet)


def test_the_webhook_saves_the_card(stripe, wallet, provider):
    enter(wallet)
    told = session_of(of(wallet), provider)
    assert stripe.says("checkout.session.completed", told) == "card_saved"
    auto = of(wallet)
    assert (auto.card, auto.setup_id, auto.is_on) == ("Visa ending in 4242, expires 12/2034", "", False)
    assert at_the_provider(auto, provider) == [auto.payment_method_id]
    saved_event = Event.objects.get(account=wallet.account_id, kind="auto_top_up.card_saved")
    assert (saved_event.actor, saved_event.data) == (wallet.account.user, {"card": auto.card})
    assert stripe.says("checkout.session.completed", told) == "ignored"


WRONG = {
    "account": {"metadata": {"account": "0"}},
    "customer": {"customer": "cus_another"},
    "checkout": {"id": "cs_another"},
    "no card": {"setup_intent": None},
}


@pytest.mark.parametrize("fields", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_saves_no_card(stripe, wallet, provider, fields):
    enter(wallet)
    assert stripe.says("checkout.session.completed", {**session_of(of(wallet), provider), **fields}) == "refused"
    assert not of(wallet).has_card


def test_another_customers_card_is_not_saved(stripe, wallet, provider):
    other = WalletFactory()
    enter(wallet)
    enter(other)
    intent = session_of(of(other), provider)["setup_intent"]
    assert stripe.says("checkout.session.completed", {**session_of(of(wallet), provider), "setup_intent": intent}) == "refused"
    assert not of(wallet).has_card


def test_a_card_that_we_did_not_ask_for_is_ignored_without_a_question(stripe, line):
    about = {"id": "cs_shop", "mode": "setup", "status": "complete", "setup_intent": "seti_shop", "client_reference_id": "order 7"}
    asked = len(line.asked)
    assert stripe.says("checkout.session.completed", about) == "ignored"
    assert len(line.asked) == asked


def test_a_provider_that_is_away_is_asked_to_tell_it_again(stripe, wallet, provider, line):
    enter(wallet)
    told = json.dumps(event("checkout.session.completed", session_of(of(wallet), provider)))
    line.is_cut = True
    assert stripe.deliver(told).status_code == 503
    line.is_cut = False
    assert stripe.deliver(told).status_code == 200
    assert of(wallet).has_card


def test_an_expired_page_ends_the_entering(stripe, wallet, provider):
    cards.enter(wallet)
    told = session_of(of(wallet), provider)
    assert stripe.says("checkout.session.expired", {**told, "status": "expired"}) == "expired"
    assert of(wallet).setup_id == ""


def test_a_lost_webhook_is_made_good(wallet, line):
    enter(wallet)
    AutoTopUp.objects.filter(wallet=wallet).update(setup_asked_at=timezone.now() - timezone.timedelta(minutes=10))
    cards.reconcile()
    assert of(wallet).has_card


def test_the_page_stays_the_same_as_long_as_it_is_open(line):
    wallet = WalletFactory()
    assert cards.enter(wallet) == cards.enter(wallet)
    assert line.count("POST", "/checkout/sessions") == 1


def test_a_card_that_is_replaced_is_forgotten_at_the_provider(provider):
    wallet = WalletFactory()
    first = saved(wallet)
    second = saved(wallet, DECLINED)
    assert (second.customer_id, second.card[:19]) == (first.customer_id, "Visa ending in 0341")
    assert len(at_the_provider(second, provider)) == 2
    old_cards.forget()
    assert at_the_provider(second, provider) == [second.payment_method_id]
    assert not of(wallet).has_old_cards


def test_a_card_that_is_removed_is_forgotten_and_switches_off(provider, line):
    auto = saved_cards.switched_on()
    asked = len(line.asked)
    assert cards.remove(auto.wallet, actor=auto.wallet.account.user)
    assert len(line.asked) == asked, "who removes a card waits for no provider"
    after = of(auto.wallet)
    assert (after.is_on, after.off_reason, after.card, after.card_last4, after.has_old_cards) == (False, "card_removed", "", "", True)
    old_cards.forget()
    assert not of(auto.wallet).has_old_cards
    assert at_the_provider(auto, provider) == []
    kinds = Event.objects.filter(account=auto.wallet.account_id).order_by("id").values_list("kind", flat=True)
    assert list(kinds)[-2:] == ["auto_top_up.off", "auto_top_up.card_removed"]
    assert not cards.remove(auto.wallet, actor=auto.wallet.account.user)


def later(*autos: AutoTopUp) -> None:
    """It is long since the provider was asked about these, longer than about any other."""
    long_ago = timezone.now() - timezone.timedelta(days=900)
    fields = {"old_cards_asked_at": long_ago, "setup_asked_at": long_ago}
    AutoTopUp.objects.filter(old_cards_asked_at=None).update(old_cards_asked_at=timezone.now())
    AutoTopUp.objects.filter(pk__in=[auto.pk for auto in autos]).update(**fields)


def test_a_card_that_could_not_be_forgotten_is_forgotten_later(provider, line):
    auto = saved_cards.switched_on()
    cards.remove(auto.wallet, actor=auto.wallet.account.user)
    later(auto)
    line.is_cut = True
    old_cards.forget()
    assert of(auto.wallet).has_old_cards
    line.is_cut = False
    later(auto)
    old_cards.forget()
    assert (at_the_provider(auto, provider), of(auto.wallet).has_old_cards) == ([], False)


def test_wallets_whose_cards_can_not_be_forgotten_keep_no_other_waiting(provider, settings, monkeypatch):
    monkeypatch.setattr(old_cards, "MOST", 1)
    gone, unwilling, auto = [saved_cards.switched_on() for _ in range(3)]
    for one in (gone, unwilling, auto):
        cards.remove(one.wallet, actor=one.wallet.account.user)
    settings.SANDBOX_CHECKOUT_KEY = ""
    AutoTopUp.objects.filter(pk=gone.pk).update(provider="sandbox")
    AutoTopUp.objects.filter(pk=unwilling.pk).update(setup_expires_at=timezone.now() + timezone.timedelta(hours=1))
    later(gone, unwilling, auto)
    old_cards.forget()
    assert [of(one.wallet).has_old_cards for one in (gone, unwilling, auto)] == [True, True, False]


def test_a_card_that_is_gone_already_keeps_no_other(provider, line):
    auto = saved(WalletFactory())
    for _ in range(2):
        auto = saved(auto.wallet, DECLINED)
    first, *_ = [method for method in at_the_provider(auto, provider) if method != auto.payment_method_id]
    line.unknown = f"/payment_methods/{first}/detach"
    later(auto)
    old_cards.forget()
    assert (line.count("POST", "/detach"), of(auto.wallet).has_old_cards) == (1, False)
    assert at_the_provider(auto, provider) == [first, auto.payment_method_id]


def test_a_provider_that_is_away_is_asked_once_a_round(provider, line):
    autos = []
    for _ in range(3):
        enter(wallet := WalletFactory())
        autos.append(of(wallet))
    removed = saved_cards.switched_on()
    cards.remove(removed.wallet, actor=removed.wallet.account.user)
    later(*autos, removed)
    line.is_cut = True
    assert not cards.reconcile()
    asked_at = [of(auto.wallet).setup_asked_at > timezone.now() - timezone.timedelta(days=1) for auto in autos]
    assert sum(asked_at) == 1
    reconciling.reconcile_top_ups()
    assert of(removed.wallet).old_cards_asked_at < timezone.now() - timezone.timedelta(days=1)


def test_a_page_that_the_provider_does_not_know_ends_no_round(provider):
    unknown, wallet = WalletFactory(), WalletFactory()
    enter(unknown)
    enter(wallet)
    AutoTopUp.objects.filter(wallet=unknown).update(setup_session_id="cs_unknown")
    later(of(unknown), of(wallet))
    assert cards.reconcile()
    assert (of(unknown).setup_id, of(wallet).has_card) == ("", True)


def test_a_card_that_does_not_fit_is_for_staff_until_another_is_entered(provider):
    enter(wallet := WalletFactory())
    AutoTopUp.objects.filter(wallet=wallet).update(customer_id="cus_another")
    assert cards.ask_of(wallet) == "refused"
    assert alerts.cards_in_question().filter(wallet=wallet).values_list("problem", flat=True).get() == "it is another customer's"
    AutoTopUp.objects.filter(wallet=wallet).update(setup_expires_at=timezone.now())
    cards.enter(wallet)
    assert not alerts.cards_in_question().filter(wallet=wallet).exists()


def test_a_card_that_is_being_entered_is_not_forgotten_with_the_old_one(provider):
    auto = saved_cards.switched_on()
    enter(auto.wallet)
    cards.remove(auto.wallet, actor=auto.wallet.account.user)
    assert cards.ask_of(auto.wallet) == "card_saved"
    old_cards.forget()
    assert at_the_provider(auto, provider) == [of(auto.wallet).payment_method_id]


def test_a_provider_that_is_away_is_said(line):
    line.is_cut = True
    with pytest.raises(topups.ProviderAwayError):
        cards.enter(WalletFactory())


def test_a_suspended_account_saves_no_card(line):
    with pytest.raises(topups.AccountRefusedError, match="suspended"):
        cards.enter(WalletFactory(account=AccountFactory(status="suspended")))


def test_a_card_of_another_provider_is_of_no_use(provider, settings):
    auto = saved_cards.switched_on()
    settings.STRIPE_SECRET_KEY = ""
    cards.enter(auto.wallet)
    after = of(auto.wallet)
    assert (after.provider, after.has_card, after.is_on) == ("sandbox", False, False)


def test_a_customer_that_the_provider_has_forgotten_is_made_again(provider):
    auto = saved_cards.switched_on()
    AutoTopUp.objects.filter(pk=auto.pk).update(customer_id="cus_forgotten")
    enter(auto.wallet)
    assert cards.ask_of(auto.wallet) == "card_saved"
    after = of(auto.wallet)
    assert (after.is_on, after.off_reason) == (False, "card_removed")
    assert at_the_provider(after, provider) == [after.payment_method_id]


def test_in_the_sandbox_its_own_webhooks_save_and_pay_once(site, settings):
    """The journey of the demo: the site hears of the card and of the payment from the sandbox itself."""
    settings.SITE_URL = site.url
    wallet = WalletFactory(balance=100)
    response = httpx.post(cards.enter(wallet), data={"number": "4242 4242 4242 4242"}, timeout=60)
    assert response.headers["location"] == f"{site.url}/wallet/auto?saved=1"
    assert eventually(lambda: of(wallet).has_card, seconds=60)
    AutoTopUp.objects.filter(wallet=wallet).update(is_on=True)
    top_up = charging.top_up_if_low(of(wallet).pk)
    assert eventually(lambda: WebhookEvent.objects.filter(top_up=top_up, type="payment_intent.succeeded").exists(), seconds=60)
    top_up.refresh_from_db()
    assert (top_up.status, top_up.provider) == ("paid", "sandbox")
    assert wallet.ledger.filter(kind="topup").count() == 1


def test_of_a_card_only_what_its_owner_knows_it_by_is_kept(provider):
    kept = set(card_payments.SavedCard.__dataclass_fields__)
    assert kept == {"customer_id", "payment_method_id", "brand", "last4", "expires"}


def test_another_card_is_not_charged_before_its_customer_allows_it(line):
    auto = saved_cards.switched_on()
    saved(auto.wallet, saved_cards.PAYS_TOO)
    auto.refresh_from_db()
    assert (auto.is_on, auto.off_reason, auto.card_name) == (False, "new_card", "Mastercard ending in 4444")
    assert charging.top_up_if_low(auto.pk) is None
    customer = signed_in(auto.wallet.account.user)
    assert "It is not charged before you allow it below." in text(customer.get("/wallet/auto"))
    customer.post("/wallet/auto", {"threshold_credits": "1000", "amount_usd": "10.00", "monthly_ceiling_usd": "100", "on": "1"})
    assert charging.top_up_if_low(auto.pk).card == "Mastercard ending in 4444"


def test_another_card_for_one_that_was_off_leaves_why(line):
    auto = saved_cards.switched_on()
    outcomes.switch_off(auto, reason=AutoTopUp.OffReason.FAILURES)
    saved(auto.wallet)
    assert of(auto.wallet).off_reason == "failures"
