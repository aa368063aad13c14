"""Credits outside calls: one entry a cause, and welcome credits once a mailbox."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from tests.factories import StaffFactory, WalletFactory
from tests.wallets.calls import hold, new_id, now
from wallets import holds, ledger
from wallets.models import LedgerEntry, Wallet
from wallets.welcome import grant_welcome

pytestmark = pytest.mark.django_db


def credit(wallet, amount, *, kind="adjustment", reference=None, **fields):
    return ledger.credit(wallet, kind=kind, amount=Decimal(amount), reference=reference or f"test:{new_id()}", **fields)


def test_an_entry_says_how_much_from_where_who_and_why():
    wallet, staff = WalletFactory(balance=5), StaffFactory()
    entry = credit(wallet.pk, "2.5", kind="grant", reference="grant:test:a", actor=staff, reason="sorry")
    entry.refresh_from_db()
    assert (entry.seq, str(entry.amount), str(entry.balance_after)) == (2, "2.5000", "7.5000")
    assert (entry.kind, entry.reference, entry.actor, entry.reason) == ("grant", "grant:test:a", staff, "sorry")
    assert now(wallet) == (Decimal("7.5"), 0, 0)


def test_the_same_reference_is_one_entry():
    wallet = WalletFactory()
    first = credit(wallet, 3, reference="topup:test:1", kind="topup")
    assert credit(wallet, 3, reference="topup:test:1", kind="topup") == first
    assert now(wallet)[0] == 3


@pytest.mark.parametrize("other", [{"amount": 4}, {"kind": "grant"}])
def test_a_reference_used_for_something_else_is_refused(other):
    wallet = WalletFactory()
    given = {"amount": 3, "kind": "topup", "reference": "topup:test:2"}
    credit(wallet, **given)
    with pytest.raises(ledger.ReferenceTakenError):
        credit(wallet, **{**given, **other})
    with pytest.raises(ledger.ReferenceTakenError):
        credit(WalletFactory(), **given)
    assert now(wallet)[0] == 3


def test_credits_that_calls_hold_can_not_be_taken():
    wallet = WalletFactory(balance=10)
    holds.place([hold(wallet, 4)])
    with pytest.raises(ledger.NotEnoughCreditsError) as refused:
        credit(wallet, "-6.0001")
    assert refused.value.available_credits == 6
    credit(wallet, -6)
    assert now(wallet) == (4, 4, 1)


def test_a_wallet_below_zero_can_be_topped_up_but_not_taken_from():
    wallet = WalletFactory()
    Wallet.objects.filter(pk=wallet.pk).update(balance=-3)
    with pytest.raises(ledger.NotEnoughCreditsError) as refused:
        credit(wallet, -1)
    assert refused.value.available_credits == 0
    assert credit(wallet, 2, kind="topup").balance_after == -1


@pytest.mark.parametrize("amount", ["0", "0.00001", "NaN"])
def test_what_is_no_amount_is_refused(amount):
    with pytest.raises(ValueError, match="amount"):
        credit(WalletFactory(), amount)


@pytest.mark.parametrize(("kind", "amount"), [("grant", -1), ("topup", -1), ("refund", -1), ("closure", 1), ("gift", 1), ("charge", -1)])
def test_a_kind_says_which_way_credits_go(kind, amount):
    wallet = WalletFactory(balance=10)
    with pytest.raises(IntegrityError), transaction.atomic():
        credit(wallet, amount, kind=kind)


@pytest.mark.django_db(transaction=False)
class TestWelcome:
    @pytest.fixture(autouse=True)
    def _welcome(self, settings):
        settings.WELCOME_CREDITS = Decimal("25.0000")

    def test_a_mailbox_gets_them_once_however_it_is_written(self):
        mailbox = f"Ann.{new_id()}@Example.com"
        wallets = [WalletFactory() for _ in range(4)]
        written = [mailbox, mailbox.lower(), mailbox.replace("@", "+again@"), f" {mailbox.upper()} "]
        given = [grant_welcome(wallet, mailbox=text) for wallet, text in zip(wallets, written, strict=True)]
        assert [entry is None for entry in given] == [False, True, True, True]
        assert [now(wallet)[0] for wallet in wallets] == [25, 0, 0, 0]

    def test_the_books_do_not_name_the_mailbox(self):
        mailbox = f"{new_id()}@example.com"
        entry = grant_welcome(WalletFactory(), mailbox=mailbox)
        assert entry.kind == "welcome"
        assert entry.reference.startswith("welcome:")
        assert "@" not in entry.reference + entry.reason

    def test_two_mailboxes_are_two(self):
        name = new_id()
        for mailbox in (f"{name}@example.com", f"{name}@example.org"):
            assert grant_welcome(WalletFactory(), mailbox=mailbox) is not None

    def test_none_are_given_where_the_setting_is_zero(self, settings):
        settings.WELCOME_CREDITS = Decimal(0)
        wallet = WalletFactory()
        assert grant_welcome(wallet, mailbox=f"{new_id()}@example.com") is None
        assert LedgerEntry.objects.filter(wallet=wallet).count() == 0
