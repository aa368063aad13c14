"""Top-ups on a running site: the sandbox's checkout from the form to the credits, and webhooks that arrive many at a time."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import httpx
import pytest
from django.conf import settings as django_settings
from django.db import transaction

from accounts.models import Account
from tests.contract.wire import eventually
from tests.topups.told import Stripe, charge, dispute, event, moves, new, pending, session
from wallets.models import Dispute, TopUp, Wallet, WebhookEvent
from wallets.top_ups import topups

pytestmark = pytest.mark.usefixtures("committed")

PAYS, DECLINED, ARRIVES, BOUNCES = "4242 4242 4242 4242", "4000000000000002", "000123456789", "000111111116"


@pytest.fixture(scope="module")
def stripe_site(site):
    """A second web process, for which Stripe is set up."""
    web = site.start_web({"STRIPE_SECRET_KEY": "sk_test_x", "STRIPE_WEBHOOK_SECRET": "whsec_site", "STRIPE_API_BASE": "http://127.0.0.1:9"})
    yield web
    web.stop()


@pytest.fixture(scope="module")
def stripe():
    return Stripe("stripe", "whsec_site")


@pytest.fixture
def buyer(customer, site, settings):
    """A customer whose top-ups come back to the site."""
    settings.SITE_URL = site.url
    return customer(balance="0")


def buy(buyer, amount_usd="25.00") -> TopUp:
    return topups.start(buyer.wallet, amount_usd=Decimal(amount_usd), actor=buyer.account.user, submission=new("form"))


def pay(top_up: TopUp, number: str) -> httpx.Response:
    return httpx.post(top_up.checkout_url, data={"number": number})


def press(top_up: TopUp, control: str) -> None:
    assert httpx.post(f"{top_up.checkout_url}/{control}").status_code == 303


def now(top_up: TopUp) -> TopUp:
    return TopUp.objects.get(pk=top_up.pk)


def test_twenty_deliveries_at_once_credit_once(stripe_site, stripe, customer):
    owner = customer(balance="0")
    top_up = pending(owner.wallet)
    same = json.dumps(event("checkout.session.completed", session(top_up)))
    others = [json.dumps(event("checkout.session.async_payment_succeeded", session(top_up))) for _ in range(5)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda body: stripe.deliver_to(stripe_site.url, body).status_code, [same] * 15 + others))
    # A delivery that waited too long for the wallet is asked for again
    assert set(answers) <= {200, 503}
    assert stripe.deliver_to(stripe_site.url, same).status_code == 200
    assert moves(owner.wallet) == [("topup", "10000.0000")]
    assert WebhookEvent.objects.filter(top_up=top_up, verdict="credited").count() == 1


def delivered(stripe_site, stripe, told) -> None:
    """As a provider does it: again until it was taken."""
    assert eventually(lambda: stripe.deliver_to(stripe_site.url, json.dumps(told)).status_code == 200, seconds=60)


def test_refunds_told_at_once_take_their_sum(stripe_site, stripe, customer):
    owner = customer(balance="0")
    top_up = pending(owner.wallet)
    refunds = [event("charge.refunded", charge(top_up, refunded=f"{part}.00")) for part in range(1, 11)]
    with ThreadPoolExecutor(11) as pool:
        paid = event("checkout.session.completed", session(top_up))
        list(pool.map(lambda told: delivered(stripe_site, stripe, told), [*refunds, paid]))
    assert sum(Decimal(amount) for _, amount in moves(owner.wallet)) == 0
    assert now(top_up).refunded_credits == 10000


def test_a_locked_wallet_puts_a_webhook_off(stripe_site, stripe, customer):
    owner = customer(balance="0")
    top_up = pending(owner.wallet)
    body = json.dumps(event("checkout.session.completed", session(top_up)))
    with transaction.atomic():
        Wallet.objects.lock(owner.wallet.pk)
        assert stripe.deliver_to(stripe_site.url, body).status_code == 503
    assert stripe.deliver_to(stripe_site.url, body).status_code == 200
    assert moves(owner.wallet) == [("topup", "10000.0000")]


def test_a_dispute_refuses_the_keys_at_once_on_every_process(stripe_site, site, stripe, customer):
    owner = customer(balance="0")
    top_up = pending(owner.wallet, payment_id="")
    stripe.deliver_to(stripe_site.url, json.dumps(event("checkout.session.completed", session(top_up))))
    assert owner.chat().status_code == 200
    told = stripe.deliver_to(stripe_site.url, json.dumps(event("charge.dispute.created", dispute(top_up))))
    assert told.status_code == 200
    assert eventually(lambda: owner.chat().status_code == 403, seconds=60)
    assert owner.chat().json()["error"]["code"] == "tenant_disabled"
    assert owner.wallet.balance < 0
    assert Account.objects.get(pk=owner.account.pk).status == "suspended"


def test_a_huge_body_is_not_read(stripe_site, stripe):
    answer = httpx.post(f"{stripe_site.url}/webhooks/stripe", content=b"x" * (2 << 20), headers={"Stripe-Signature": "t=1,v1=x"})
    assert answer.status_code == 413


def test_a_provider_that_is_not_set_up_has_no_webhook(site):
    assert httpx.post(f"{site.url}/webhooks/stripe", content=b"{}").status_code == 404
    assert httpx.post(f"{site.url}/webhooks/sandbox", content=b"{}").status_code == 400


def test_an_unknown_payment_is_asked_about_and_the_event_comes_again_while_nobody_answers(stripe_site, stripe):
    about = {"id": new("du"), "amount": 1, "currency": "usd", "payment_intent": new("pi"), "status": "needs_response"}
    told = event("charge.dispute.created", about)
    assert stripe.deliver_to(stripe_site.url, json.dumps(told)).status_code == 503
    assert not WebhookEvent.objects.filter(event_id=told["id"]).exists()


def test_the_checkout_from_an_empty_wallet_to_a_paid_call(buyer, site):
    assert buyer.chat().status_code == 402
    top_up = buy(buyer)
    page = httpx.get(top_up.checkout_url)
    assert page.status_code == 200
    assert "Pay $25.00" in page.text
    back = pay(top_up, PAYS)
    assert (back.status_code, back.headers["Location"]) == (303, f"{site.url}/wallet/top-ups/{top_up.pk}/return")
    assert eventually(lambda: now(top_up).status == "paid", seconds=60)
    assert moves(buyer.wallet) == [("topup", "25000.0000")]
    assert buyer.chat().status_code == 200


def test_a_declined_card_pays_nothing_and_another_try_does(buyer):
    top_up = buy(buyer)
    declined = pay(top_up, DECLINED)
    assert (declined.status_code, "Your card was declined" in declined.text) == (402, True)
    assert "sandbox&#x27;s numbers" in pay(top_up, "5555 5555 5555 4444").text
    assert pay(top_up, PAYS).status_code == 303
    assert eventually(lambda: now(top_up).status == "paid", seconds=60)


def test_paying_twice_is_paying_once(buyer):
    top_up = buy(buyer)
    assert [pay(top_up, PAYS).status_code for _ in range(3)] == [303] * 3
    assert eventually(lambda: now(top_up).status == "paid", seconds=60)
    assert len(moves(buyer.wallet)) == 1


def test_a_transfer_that_arrives_later(buyer):
    top_up = buy(buyer)
    pay(top_up, ARRIVES)
    assert eventually(lambda: now(top_up).submitted_at is not None, seconds=60)
    assert now(top_up).status == "pending"
    press(top_up, "arrive")
    assert eventually(lambda: now(top_up).status == "paid", seconds=60)


def test_a_transfer_that_fails(buyer):
    top_up = buy(buyer)
    pay(top_up, BOUNCES)
    press(top_up, "arrive")
    assert eventually(lambda: now(top_up).status == "failed", seconds=60)
    assert moves(buyer.wallet) == []


def test_refunds_and_a_dispute_from_the_checkouts_own_page(buyer):
    top_up = buy(buyer, "10.00")
    pay(top_up, PAYS)
    assert eventually(lambda: now(top_up).status == "paid", seconds=60)
    press(top_up, "refund_half")
    assert eventually(lambda: now(top_up).refunded_usd == 5, seconds=60)
    press(top_up, "dispute")
    assert eventually(lambda: Dispute.objects.filter(top_up=top_up).exists(), seconds=60)
    assert Account.objects.get(pk=buyer.account.pk).status == "suspended"
    press(top_up, "won")
    assert eventually(lambda: Dispute.objects.get(top_up=top_up).status == "won", seconds=60)
    assert moves(buyer.wallet) == [
        ("topup", "10000.0000"),
        ("topup_refund", "-5000.0000"),
        ("dispute", "-5000.0000"),
        ("dispute_won", "5000.0000"),
    ]


def test_a_webhook_is_sent_again_until_it_is_taken(customer, settings, site):
    """The site is away while the customer pays."""
    late = site.start_web()
    late.stop()
    settings.SITE_URL = late.url
    owner = customer(balance="0")
    top_up = buy(owner)
    pay(top_up, PAYS)
    late.start()
    late.wait()
    assert eventually(lambda: now(top_up).status == "paid", seconds=60)
    late.stop()


def test_the_webhook_secret_is_the_sandboxes_own(site, buyer):
    top_up = pending(buyer.wallet, provider="sandbox")
    body = json.dumps(event("checkout.session.completed", session(top_up)))
    assert Stripe("sandbox", "whsec_site").deliver_to(site.url, body).status_code == 400
    assert Stripe("sandbox", django_settings.SANDBOX_WEBHOOK_SECRET).deliver_to(site.url, body).status_code == 200
    assert now(top_up).status == "paid"
