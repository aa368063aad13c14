"""The wallet page: what its owner reads there, and what nobody else does."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from django.db import connection, transaction

from tests.browsing import browser, read, signed_in, text
from tests.factories import StaffFactory, WalletFactory
from tests.wallets.calls import charge, hold
from wallets import holds, ledger, refunds
from wallets.automatic_top_ups import terms
from wallets.models import CreditsPerUsdRate, LedgerEntry
from wallets.views import PAGE_LENGTH, _entries

pytestmark = pytest.mark.django_db
PAGE = "/wallet/"
HTMX = {"HX-Request": "true"}


def charged(wallet, credits, **fields):
    call = hold(wallet, credits, model="MiniMax-M2.7", **fields)
    holds.place([call])
    holds.settle([charge(call, credits)])
    return call


def rows(response):
    """The entries listed, as (what, amount, balance after)."""
    return [(words, entry.amount, entry.balance_after) for entry, words, _ in response.context["entries"]]


def many_entries(wallet, *, charges):
    """So many charges, each an entry, after a grant and a voucher."""
    call = hold(wallet, "0")
    holds.place([call])
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(
            """
            insert into wallets_ledgerentry (wallet_id, seq, kind, amount, balance_after, reference, usage_record_id, created_at)
            select %(wallet)s, n, case when n = 1 then 'grant' when n = 2 then 'voucher' else 'charge' end,
                   case when n < 3 then 1 else 0 end, 2, 'test:' || %(wallet)s || ':' || n, %(call)s, now()
              from generate_series(1, %(entries)s) n""",
            {"wallet": wallet.pk, "entries": charges + 2, "call": call.usage_id},
        )
        cursor.execute("set local session_replication_role = origin")


def test_a_stranger_is_sent_to_sign_in_and_staff_to_their_own():
    response = browser().get(PAGE)
    assert (response.status_code, response.headers["Location"]) == (302, f"/accounts/login/?next={PAGE}")
    assert signed_in(StaffFactory()).get(PAGE).headers["Location"] == "/admin/"


def test_a_new_customer_reads_what_will_stand_there():
    page = signed_in(WalletFactory().account.user).get(PAGE)
    assert page.status_code == 200
    assert "Available 0.0000" in text(page)
    assert "Nothing has come into this wallet or left it yet." in text(page)
    assert "Your wallet is empty." in text(page)


def test_it_is_linked_from_every_page_and_from_home():
    client = signed_in(WalletFactory(balance="1").account.user)
    assert read(client.get("/")).links.count(PAGE) == 2
    assert PAGE in read(client.get("/keys/")).links


def test_it_shows_what_there_is_and_what_a_usd_is_worth():
    wallet = WalletFactory(balance="1234.5")
    CreditsPerUsdRate.objects.create(wallet=wallet, value=800, reason="a deal")
    holds.place([hold(wallet, "13.2001"), hold(wallet, "1")])
    words = text(signed_in(wallet.account.user).get(PAGE))
    assert "Available 1,220.2999 credits that new calls can use, about 1.5254 USD" in words
    assert "Balance 1,234.5000 credits in your wallet; 1 USD buys 800" in words
    assert "Held 14.2001 set aside for 2 calls in flight" in words


def test_every_entry_is_there_newest_first_with_the_balance_after_it():
    wallet = WalletFactory(balance="10")
    call = charged(wallet, "3.0001")
    with transaction.atomic():
        refunds.refund(call.usage_id, credits=Decimal("0.5"), reference="refund:page", reason="only staff read this")
        ledger.credit(wallet, kind="adjustment", amount=Decimal(-1), reference="adjustment:page", reason="nor this")
    page = signed_in(wallet.account.user).get(PAGE)
    assert rows(page) == [
        ("Adjustment", Decimal("-1.0000"), Decimal("6.4999")),
        ("Refund of a charge", Decimal("0.5000"), Decimal("7.4999")),
        ("Charge", Decimal("-3.0001"), Decimal("6.9999")),
        ("Credits from us", Decimal("10.0000"), Decimal("10.0000")),
    ]
    words = text(page)
    assert "Charge MiniMax-M2.7 −3.0001 6.9999" in words
    assert "Credits from us +10.0000 10.0000" in words
    assert "only staff" not in words
    assert read(page).links.count(f"/usage/{call.usage_id}/") == 2


def test_nobody_sees_anothers_entries():
    WalletFactory(balance="10")
    assert rows(signed_in(WalletFactory().account.user).get(PAGE)) == []


def test_entries_are_filtered_by_kind_and_charges_left_out():
    wallet = WalletFactory(balance="10")
    charged(wallet, 1)
    client = signed_in(wallet.account.user)
    assert [row[0] for row in rows(client.get(PAGE, {"kind": "charge"}))] == ["Charge"]
    assert [row[0] for row in rows(client.get(PAGE, {"kind": "other"}))] == ["Credits from us"]
    assert "No entry of this kind: Voucher." in text(client.get(PAGE, {"kind": "voucher"}))
    nonsense = client.get(PAGE, {"kind": "x"})
    assert nonsense.status_code == 200
    assert "There is no such kind of entry." in text(nonsense)


def test_older_entries_follow_page_by_page_and_by_htmx_alone():
    wallet = WalletFactory()
    many_entries(wallet, charges=PAGE_LENGTH + 5)
    client = signed_in(wallet.account.user)
    first = client.get(PAGE, {"kind": "charge"})
    assert len(rows(first)) == PAGE_LENGTH
    (older,) = {link for link in read(first).links if "cursor=" in link}
    rest = client.get(older)
    assert len(rows(rest)) == 5
    assert "Back to the newest" in text(rest)
    assert "Available" in text(rest)
    alone = client.get(older, headers=HTMX)
    assert rows(alone) == rows(rest)
    assert "<html" not in alone.content.decode()
    everything = {row[0].seq for page in (first, rest) for row in page.context["entries"]}
    assert everything == set(range(3, PAGE_LENGTH + 8))


def test_a_cursor_that_is_not_ours_leads_nowhere():
    assert signed_in(WalletFactory().account.user).get(PAGE, {"cursor": "x"}).status_code == 404


@pytest.mark.parametrize("kind", ["", "charge", "voucher", "other", "refund"])
def test_it_reads_from_an_index_what_it_shows(kind):
    wallet, other = WalletFactory(), WalletFactory()
    many_entries(wallet, charges=3000)
    many_entries(other, charges=3000)
    with connection.cursor() as cursor:
        cursor.execute("analyze wallets_ledgerentry")
    listed = _entries(wallet, kind=kind).order_by("-seq")[: PAGE_LENGTH + 1]
    (plan,) = json.loads(listed.explain(format="json", analyze=True))
    looked_at, ways = 0, []

    def walk(node):
        nonlocal looked_at
        if node.get("Relation Name") == LedgerEntry._meta.db_table:
            looked_at += (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        ways.append(f"{node['Node Type']} {node.get('Index Name', '')}")
        for below in node.get("Plans", ()):
            walk(below)

    walk(plan["Plan"])
    assert looked_at <= PAGE_LENGTH + 1 + 2, ways
    assert not any("Seq Scan on wallets_ledgerentry" in way for way in ways), ways


def test_the_way_to_automatic_top_ups_says_whether_they_are_on():
    wallet = WalletFactory()
    owner = signed_in(wallet.account.user)
    assert "Set it up" in text(owner.get(PAGE))
    assert owner.get("/wallet/auto").status_code == 200
    auto = terms.of(wallet)
    auto.provider, auto.customer_id, auto.payment_method_id, auto.card_brand, auto.card_last4 = "stripe", "cus_1", "pm_1", "visa", "4242"
    auto.is_on = True
    auto.save()
    page = text(owner.get(PAGE))
    assert "are charged to" in page
    assert "4242" in page
