"""The pages of buying credits: the form, the way to the payment and back, what was bought, and receipts."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from contract import limits
from tests.browsing import browser, read, signed_in, text
from tests.factories import PASSWORD, WalletFactory
from wallets.models import CreditsPerUsdRate, TopUp, Wallet
from wallets.top_ups import payments, take_backs, topups
from wallets.top_ups.pages import PAGE_LENGTH

pytestmark = pytest.mark.django_db
ADD, LIST = "/wallet/add/", "/wallet/top-ups/"
CHECKOUT = "https://checkout.example/pay/1"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def wallet():
    return WalletFactory(balance=5)


@pytest.fixture
def owner(wallet):
    return signed_in(wallet.account.user)


@pytest.fixture
def nobody_to_pay(settings):
    """A provider that is set up, and away."""
    settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE = "sk_test", "http://127.0.0.1:1"


def a_top_up(wallet, **fields):
    given = {
        "provider": "sandbox",
        "amount_usd": Decimal("25.00"),
        "credits": Decimal("25000.0000"),
        "credits_per_usd_rate": Decimal(1000),
        "submission": uuid.uuid4().hex,
        "session_id": uuid.uuid4().hex,
        "checkout_url": CHECKOUT,
        "created_by": wallet.account.user,
        "expires_at": timezone.now() + timedelta(hours=1),
        **fields,
    }
    return TopUp.objects.create(wallet=wallet, **given)


def paid(wallet, **fields):
    top_up = a_top_up(wallet, **fields)
    topups.credit(top_up)
    top_up.refresh_from_db()
    return top_up


def pages_of(top_up):
    return [reverse("wallets:top_up", args=[top_up.pk]), reverse("wallets:topup_return", args=[top_up.pk])]


def form(client, **fields):
    """What the form sends: as it was rendered, and `fields`."""
    (submission,) = re.findall(r'name="submission" value="([^"]+)"', client.get(ADD).content.decode())
    return {"amount": "25.00", "other": "", "submission": submission, **fields}


class TestWhoMaySee:
    @pytest.mark.parametrize("path", [ADD, LIST])
    def test_a_stranger_signs_in_first_and_comes_back(self, path):
        assert browser().get(path).headers["Location"] == f"/accounts/login/?next={path}"

    def test_the_address_in_an_error_leads_to_the_form_by_way_of_signing_in(self, settings, wallet):
        assert f"{settings.SITE_URL}{ADD}" == settings.TOPUP_URL
        client = browser()
        response = client.post(f"/accounts/login/?next={ADD}", {"login": wallet.account.user.email, "password": PASSWORD, "next": ADD})
        assert response.headers["Location"] == ADD

    def test_a_top_up_is_its_owners_alone(self, owner, wallet):
        other = WalletFactory()
        for path in pages_of(a_top_up(wallet)):
            assert owner.get(path).status_code == 200
            assert signed_in(other.account.user).get(path).status_code == 404
            assert browser().get(path).headers["Location"] == f"/accounts/login/?next={path}"
        for path in ("/wallet/top-ups/top_0", "/wallet/top-ups/top_0/return"):
            assert owner.get(path).status_code == 404

    def test_the_provider_is_told_to_send_people_back_to_that_page(self, wallet, settings):
        top_up = a_top_up(wallet)
        assert payments.return_url(top_up) == settings.SITE_URL + reverse("wallets:topup_return", args=[top_up.pk])


class TestTheForm:
    def test_it_says_what_each_amount_gives_at_the_wallets_own_rate(self, owner, wallet, settings):
        settings.TOPUP_AMOUNTS_USD = [Decimal(10), Decimal(1000)]
        CreditsPerUsdRate.objects.create(wallet=wallet, value=Decimal("812.5"), reason="a deal")
        words = text(owner.get(ADD))
        assert "$10 8,125.0000 credits" in words
        assert "$1,000 812,500.0000 credits" in words
        assert "You get 812.5 credits for each USD." in words

    def test_it_leads_on_to_the_checkout_and_sent_twice_is_one_top_up(self, owner, wallet, sandbox):
        fields = form(owner)
        first, again = owner.post(ADD, fields), owner.post(ADD, fields)
        top_up = wallet.top_ups.get()
        assert first.status_code == 302
        assert first.headers["Location"] == again.headers["Location"] == top_up.checkout_url
        assert (top_up.amount_usd, top_up.credits, top_up.status) == (25, 25000, "pending")
        assert Wallet.objects.get(pk=wallet.pk).balance == 5

    def test_another_amount_is_taken_to_the_cent(self, owner, wallet, sandbox):
        owner.post(ADD, form(owner, amount="other", other="12.34"))
        assert wallet.top_ups.get().amount_usd == Decimal("12.34")

    def test_what_was_written_as_another_amount_does_not_count_where_one_is_chosen(self, owner, wallet, sandbox):
        owner.post(ADD, form(owner, other="nonsense"))
        assert wallet.top_ups.get().amount_usd == 25

    @pytest.mark.parametrize(
        ("other", "told"),
        [
            ("", "Write the amount."),
            ("0", "Choose an amount from $5.00"),
            ("4.99", "Choose an amount from $5.00"),
            ("1000.01", "Choose an amount from $5.00"),
            ("12.345", "Whole cents only."),
            ("ten", "Write an amount in USD"),
            ("NaN", "Write an amount in USD"),
        ],
    )
    def test_a_wrong_amount_is_said_and_the_form_kept(self, owner, wallet, other, told):
        fields = form(owner, amount="other", other=other)
        page = owner.post(ADD, fields)
        assert page.status_code == 422
        assert told in text(page)
        html = page.content.decode()
        assert f'value="{fields["submission"]}"' in html
        assert re.search(r'value="other" checked', html)
        if other:
            assert f'value="{other}"' in html
        assert not wallet.top_ups.exists()

    def test_no_amount_is_said(self, owner):
        assert "Choose an amount." in text(owner.post(ADD, form(owner, amount="")))
        assert "Choose one of these amounts." in text(owner.post(ADD, form(owner, amount="7")))

    def test_a_provider_that_is_away_is_said_and_the_form_can_be_sent_again(self, owner, wallet, nobody_to_pay):
        fields = form(owner, amount="other", other="12.34")
        page = owner.post(ADD, fields)
        assert page.status_code == 503
        assert "Nothing was paid; try again" in text(page)
        (submission,) = re.findall(r'name="submission" value="([^"]+)"', page.content.decode())
        assert submission != fields["submission"], "the one that failed stays failed"
        assert 'value="12.34"' in page.content.decode()
        assert wallet.top_ups.get().status == "failed"

    def test_an_old_form_with_another_amount_asks_whether_both_are_meant(self, owner, wallet, sandbox):
        fields = form(owner)
        owner.post(ADD, fields)
        page = owner.post(ADD, {**fields, "amount": "50.00"})
        assert page.status_code == 409
        assert "This form was sent before, with another amount." in text(page)
        (submission,) = re.findall(r'name="submission" value="([^"]+)"', page.content.decode())
        assert owner.post(ADD, {**fields, "amount": "50.00", "submission": submission}).status_code == 302
        assert sorted(wallet.top_ups.values_list("amount_usd", flat=True)) == [25, 50]

    def test_too_many_open_checkouts_are_said(self, owner, wallet):
        for _ in range(limits.OPEN_CHECKOUTS):
            a_top_up(wallet)
        page = owner.post(ADD, form(owner))
        assert page.status_code == 409
        assert "Too many checkouts are open." in text(page)

    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ({"account__status": "suspended"}, "This account is suspended: it can't buy credits."),
            ({"account__status": "closed"}, "This account is closed: it can't buy credits."),
            ({"account__user__verified": False}, "Confirm your email address first"),
        ],
    )
    def test_who_can_buy_nothing_is_told_why_before_choosing(self, fields, told):
        wallet = WalletFactory(**fields)
        client = signed_in(wallet.account.user)
        page = client.get(ADD)
        assert (page.status_code, told in text(page), "Continue to payment" in text(page)) == (200, True, False)
        assert ("/accounts/email/" in read(page).links) == ("user" in str(fields))
        assert client.post(ADD, {"amount": "25.00", "submission": str(uuid.uuid4())}).status_code == 409
        assert not wallet.top_ups.exists()

    def test_where_no_provider_is_set_up_it_says_so(self, owner, settings):
        settings.SANDBOX_CHECKOUT_KEY = settings.STRIPE_SECRET_KEY = ""
        assert "no payment provider is set up" in text(owner.get(ADD))


class TestComingBack:
    def test_until_the_providers_word_it_is_pending_and_credits_nothing(self, owner, wallet):
        _, page = pages_of(a_top_up(wallet))
        for path in (page, f"{page}?cancelled=0&paid=1&status=complete"):
            words = text(owner.get(path))
            assert "Waiting for the payment." in words
            assert "See whether it is here" in words
        assert Wallet.objects.get(pk=wallet.pk).balance == 5

    def test_it_asks_again_and_shows_the_payment_when_it_came(self, owner, wallet):
        top_up = a_top_up(wallet)
        page = owner.get(pages_of(top_up)[1]).content.decode()
        (asks,) = re.findall(r'hx-get="([^"]+)" hx-trigger="every 2s"', page)
        asks = asks.replace("&amp;", "&")
        assert owner.get(asks, headers=HTMX).status_code == 204
        topups.credit(top_up)
        came = owner.get(asks, headers=HTMX)
        assert "25,000.0000 credits were added, and your balance is 25,005.0000" in text(came)
        assert "hx-trigger" not in came.content.decode()
        assert "<html" not in came.content.decode()
        assert "HX-Request" in came.headers["Vary"]

    def test_it_stops_asking_after_a_while(self, owner, wallet):
        page = pages_of(a_top_up(wallet))[1]
        ago = int(timezone.now().timestamp())
        assert "every 10s" in owner.get(page, {"since": ago - 300}).content.decode()
        assert "every" not in owner.get(page, {"since": ago - 3600}).content.decode()
        assert owner.get(page, {"since": "9" * 30}).status_code == 200

    def test_who_gave_up_is_told_that_nothing_was_paid_and_can_go_on(self, owner, wallet):
        page = owner.get(pages_of(a_top_up(wallet))[1], {"cancelled": "1"})
        assert "You left before paying. Nothing was charged" in text(page)
        assert CHECKOUT in read(page).links

    def test_who_gave_up_in_one_tab_and_paid_in_another_reads_that_it_came(self, owner, wallet):
        assert "your payment has arrived" in text(owner.get(pages_of(paid(wallet))[1], {"cancelled": "1"}))

    def test_money_that_is_on_its_way_is_said_to_be(self, owner, wallet):
        top_up = a_top_up(wallet)
        topups.submit(top_up)
        page = owner.get(pages_of(top_up)[1])
        assert "Your payment is on its way." in text(page)
        assert CHECKOUT not in read(page).links

    @pytest.mark.parametrize(
        ("end", "told"), [(topups.expire, "closed unpaid"), (lambda one: topups.fail(one, reason="x"), "did not go through")]
    )
    def test_an_end_without_a_payment_is_said(self, owner, wallet, end, told):
        top_up = a_top_up(wallet)
        end(top_up)
        for path in pages_of(top_up):
            page = owner.get(path)
            assert told in text(page)
            assert ADD in read(page).links
            assert CHECKOUT not in read(page).links


class TestTheHistory:
    def test_it_is_empty_at_first_and_says_where_to_begin(self, owner):
        page = owner.get(LIST)
        assert "You have not bought any credits yet." in text(page)
        assert read(page).links.count(ADD) == 2

    def test_each_top_up_has_its_status_and_what_can_be_done(self, owner, wallet):
        tops = [a_top_up(wallet), a_top_up(wallet, expires_at=timezone.now()), paid(wallet, amount_usd=Decimal("1250.5"), checkout_url="")]
        page = owner.get(LIST)
        assert all(pages_of(top_up)[0] in read(page).links for top_up in tops)
        assert read(page).links.count(CHECKOUT) == 1, "what has expired can't be paid any more"
        assert "Paid $1,250.50 25,000.0000 Receipt" in text(page)
        WalletFactory()
        assert CHECKOUT not in read(signed_in(WalletFactory().account.user).get(LIST)).links

    def test_older_ones_follow_page_by_page(self, owner, wallet):
        made = {a_top_up(wallet).pk for _ in range(PAGE_LENGTH + 2)}
        first = owner.get(LIST)
        (older,) = [link for link in read(first).links if "cursor=" in link]
        second = owner.get(LIST + older)
        seen = [[top_up.pk for top_up, _ in page.context["rows"]] for page in (first, second)]
        assert [len(pks) for pks in seen] == [PAGE_LENGTH, 2]
        assert {*seen[0], *seen[1]} == made
        assert owner.get(LIST, {"cursor": "x"}).status_code == 404


class TestReceipts:
    def test_a_receipt_has_all_that_one_needs(self, owner, wallet):
        top_up = paid(wallet)
        words = text(owner.get(pages_of(top_up)[0]))
        for part in (
            "Receipt",
            top_up.pk,
            f"{top_up.paid_at:%Y-%m-%d %H:%M:%S} UTC",
            wallet.account.user.email,
            "$25.00 USD",
            "25.00 USD × 1,000 = 25,000.0000",
            "Credits bought +25,000.0000 25,005.0000",
        ):
            assert part in words, part

    def test_what_was_given_back_and_disputed_stands_on_it(self, owner, wallet):
        top_up = paid(wallet)
        take_backs.refund(top_up, refunded_usd=Decimal("5.00"))
        take_backs.dispute(top_up, dispute_id="dp_1", amount_usd=Decimal("10.00"))
        words = text(owner.get(pages_of(top_up)[0]))
        assert "Refunded $5.00, 5,000.0000 credits" in words
        assert "$10.00 , not decided yet; 10,000.0000 credits were taken back for it" in words.replace("10.00,", "10.00 ,")
        assert "Payment refunded −5,000.0000" in words
        assert "Payment disputed −10,000.0000" in words
        assert "Disputed" in text(owner.get(LIST))

    def test_the_ledger_leads_to_it(self, owner, wallet):
        top_up = paid(wallet)
        take_backs.refund(top_up, refunded_usd=Decimal("5.00"))
        assert read(owner.get("/wallet/")).links.count(pages_of(top_up)[0]) == 2


def test_no_page_has_inline_code(owner, wallet):
    waiting, done = a_top_up(wallet), paid(wallet)
    for path in (ADD, LIST, *pages_of(waiting), *pages_of(done)):
        page = owner.get(path)
        assert (page.status_code, read(page).inline) == (200, []), path
        assert page.content.decode().count("<h1") == 1, path
