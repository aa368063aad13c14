"""The stand-in payment provider follows Stripe's Checkout Sessions: form-encoded requests, its errors, idempotency, pages, signatures."""

from __future__ import annotations

import re
import time
import uuid

import httpx
import pytest
import stripe
from django.conf import settings

from beatra_site.sandbox.checkout.deliveries import signature

API = "/checkout/v1/checkout/sessions"


@pytest.fixture(scope="module")
def client(origin: str) -> stripe.StripeClient:
    return stripe.StripeClient(settings.SANDBOX_CHECKOUT_KEY, base_addresses={"api": f"{origin}/checkout"}, max_network_retries=0)


def order(**fields: object) -> dict:
    return {
        "mode": "payment",
        "line_items": [
            {"quantity": 1, "price_data": {"currency": "usd", "unit_amount": 1000, "product_data": {"name": "10,000 <credits> & more"}}}
        ],
        "client_reference_id": "top_1",
        "metadata": {"account": "7"},
        "payment_intent_data": {"metadata": {"top_up": "top_1"}},
        "customer_email": "ann@example.com",
        "success_url": "http://127.0.0.1:9/back",
        "cancel_url": "http://127.0.0.1:9/back?cancelled=1",
        **fields,
    }


@pytest.fixture
def session(client) -> stripe.checkout.Session:
    return client.v1.checkout.sessions.create(order())


def pay(session, number: str) -> httpx.Response:
    return httpx.post(session.url, data={"number": number})


def test_a_session_is_made_of_the_order(client, session):
    found = client.v1.checkout.sessions.retrieve(session.id)
    assert (found.status, found.payment_status, found.amount_total, found.currency) == ("open", "unpaid", 1000, "usd")
    assert (found.client_reference_id, found.metadata["account"], found.payment_intent) == ("top_1", "7", None)


def test_the_same_key_gives_the_same_session_and_never_another_order(client):
    options = {"idempotency_key": str(uuid.uuid4())}
    first, second = (client.v1.checkout.sessions.create(order(), options) for _ in range(2))
    assert first.id == second.id
    with pytest.raises(stripe.IdempotencyError):
        client.v1.checkout.sessions.create(order(mode="payment", customer_email="bob@example.com"), options)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"mode": "subscription"}, "mode"),
        ({"success_url": ""}, "success_url"),
        ({"line_items": []}, "line_items[0][price_data][currency]"),
        ({"expires_at": 1}, "expires_at"),
        ({"expires_at": int(time.time()) + 2 * 86_400}, "expires_at"),
    ],
)
def test_an_order_that_stripe_would_refuse_is_refused_in_its_envelope(client, fields, param):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.checkout.sessions.create(order(**fields))
    assert (refused.value.http_status, refused.value.param) == (400, param)


def test_what_is_unknown_is_missing(client):
    for retrieve in (client.v1.checkout.sessions.retrieve, client.v1.payment_intents.retrieve):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            retrieve("none")
        assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


@pytest.mark.parametrize("key", ["", "sk_wrong"])
def test_only_its_own_key_is_taken(origin, key):
    answer = httpx.post(f"{origin}{API}", headers={"Authorization": f"Bearer {key}"} if key else {}, data={"mode": "payment"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "invalid_request_error")


def test_a_paid_session_has_its_payment_and_can_be_refunded_in_parts(client, session):
    assert pay(session, "4242424242424242").headers["Location"] == "http://127.0.0.1:9/back"
    paid = client.v1.checkout.sessions.retrieve(session.id)
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert client.v1.payment_intents.retrieve(paid.payment_intent).metadata["top_up"] == "top_1"
    client.v1.refunds.create({"payment_intent": paid.payment_intent, "amount": 400})
    assert client.v1.refunds.create({"payment_intent": paid.payment_intent}).amount == 600
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": paid.payment_intent, "amount": 1})


def test_an_expired_session_can_not_be_paid(client, session):
    assert client.v1.checkout.sessions.expire(session.id).status == "expired"
    pay(session, "4242424242424242")
    assert client.v1.checkout.sessions.retrieve(session.id).status == "expired"
    assert "Nothing was paid" in httpx.get(session.url).text
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.expire(session.id)


def test_the_pages_escape_need_no_script_and_let_forms_go_back_to_the_shop(session, origin):
    page = httpx.get(session.url)
    assert "10,000 &lt;credits&gt; &amp; more" in page.text
    assert "<credits>" not in page.text
    assert " style=" not in page.text
    assert "script" not in page.text
    assert "form-action 'self' http://127.0.0.1:9;" in page.headers["Content-Security-Policy"]
    (css,) = re.findall(r'href="(/checkout/[^"]+css)"', page.text)
    assert httpx.get(f"{origin}{css}").headers["Content-Type"].startswith("text/css")


@pytest.mark.parametrize("path", ["/checkout", "/checkout/pay", "/checkout/pay/cs_none", "/checkout/v2", "/checkout/pay/cs_none/refund"])
def test_other_paths_are_not_found(origin, path):
    assert httpx.get(f"{origin}{path}").status_code == 404


def test_controls_do_only_what_is_possible(client, session):
    for control in ("refund", "dispute", "won", "lost", "arrive"):
        assert httpx.post(f"{session.url}/{control}").status_code == 303
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"
    assert httpx.post(f"{session.url}/burn").status_code == 404


def test_signatures_are_stripes():
    body = b'{"id": "evt_1"}'
    assert stripe.WebhookSignature.verify_header(body, signature("whsec_1", body), "whsec_1", 300)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(body, signature("whsec_2", body), "whsec_1", 300)
