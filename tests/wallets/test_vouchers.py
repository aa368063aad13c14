"""A voucher gives its credits once to each account and no more often than it has uses, whatever runs at the same time."""

from __future__ import annotations

import re
import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Event
from tests.factories import StaffFactory, WalletFactory
from wallets.models import LedgerEntry, Voucher, VoucherBatch, Wallet, WalletBusyError
from wallets.vouchers import spelling, vouchers


def made(*, credits="25.5", codes=1, uses=1, expires_in=None, submission=None):
    return vouchers.make(
        credits=Decimal(credits),
        codes=codes,
        uses=uses,
        expires_at=expires_in and timezone.now() + expires_in,
        note="a test's",
        actor=StaffFactory(),
        submission=submission,
    )


def redeem(wallet, code):
    return vouchers.redeem(wallet.account, code=code, actor=wallet.account.user)


def balance(wallet):
    return Wallet.objects.get(pk=wallet.pk).balance


@pytest.mark.django_db
class TestRedeeming:
    def test_the_credits_come_by_one_entry_and_leave_a_trace(self):
        (code,), wallet = made().codes, WalletFactory(balance=1)
        entry = redeem(wallet, code)
        voucher = Voucher.objects.get()
        assert (entry.kind, entry.amount, entry.balance_after) == ("voucher", Decimal("25.5"), Decimal("26.5"))
        assert entry.reference == f"voucher:{voucher.pk}:{wallet.account.pk}"
        assert (voucher.used, balance(wallet)) == (1, Decimal("26.5"))
        event = Event.objects.get(account=wallet.account, kind="voucher.redeemed")
        assert event.data == {"voucher": voucher.pk, "prefix": code[:4], "credits": "25.5000"}

    @pytest.mark.parametrize("typed", [str.lower, lambda code: code.replace("-", ""), lambda code: f" {code.replace('-', ' – ')}\n"])
    def test_it_does_not_matter_how_a_code_is_typed(self, typed):
        (code,) = made().codes
        assert redeem(WalletFactory(), typed(code)).amount == Decimal("25.5")

    def test_letters_that_no_code_has_are_the_digits_they_look_like(self):
        assert spelling.normal("o0Oi-1lL1-2345-6789-ABCD") == "00011111" + "23456789ABCD"

    def test_an_account_redeems_a_code_once_and_others_do_too(self):
        (code,), wallet = made(uses=2).codes, WalletFactory()
        redeem(wallet, code)
        with pytest.raises(vouchers.AlreadyRedeemedError, match="You have redeemed this voucher already"):
            redeem(wallet, code)
        redeem(WalletFactory(), code)
        with pytest.raises(vouchers.NotOpenError, match="used up"):
            redeem(WalletFactory(), code)
        assert balance(wallet) == Decimal("25.5")

    def test_an_expired_code_gives_nothing(self):
        batch = made(expires_in=timedelta(hours=1))
        VoucherBatch.objects.filter(pk=batch.batch.pk).update(expires_at=timezone.now())
        with pytest.raises(vouchers.NotOpenError, match="expired"):
            redeem(WalletFactory(), batch.codes[0])

    def test_a_disabled_code_gives_nothing_and_what_it_gave_stays(self):
        batch, early, late = made(codes=2, uses=5), WalletFactory(), WalletFactory()
        redeem(early, batch.codes[0])
        assert vouchers.disable(batch.batch.vouchers.all(), actor=StaffFactory(), reason="leaked") == 2
        assert vouchers.disable(batch.batch.vouchers.all(), actor=StaffFactory(), reason="leaked") == 0
        for code in batch.codes:
            with pytest.raises(vouchers.NotOpenError, match="not valid any more"):
                redeem(late, code)
        assert (balance(early), balance(late)) == (Decimal("25.5"), 0)
        assert Event.objects.filter(kind="voucher.disabled", data__reason="leaked").count() == 2

    @pytest.mark.parametrize("code", ["", "x", "ABCD-ABCD-ABCD-ABCD-ABCD", "ABCD-ABCD-ABCD-ABCD-ABCU", "é" * 20, "A" * 21, "\0" * 20])
    def test_what_is_no_code_is_unknown_whatever_it_looks_like(self, code):
        made()
        with pytest.raises(vouchers.UnknownCodeError) as refused:
            redeem(WalletFactory(), code)
        assert str(refused.value) == str(vouchers.UnknownCodeError())

    @pytest.mark.parametrize(("status", "told"), [("suspended", "is suspended"), ("closed", "is closed")])
    def test_an_account_that_does_not_work_redeems_nothing_and_learns_nothing(self, status, told):
        wallet = WalletFactory(account__status=status)
        for code in (made().codes[0], "nonsense"):
            with pytest.raises(vouchers.AccountRefusedError, match=told):
                redeem(wallet, code)

    def test_nor_does_one_whose_address_is_not_confirmed(self):
        wallet = WalletFactory(account__user__verified=False)
        with pytest.raises(vouchers.AccountRefusedError, match="Confirm your email address"):
            redeem(wallet, made().codes[0])


@pytest.mark.django_db
class TestMaking:
    def test_codes_are_readable_random_and_not_kept(self):
        batch = made(codes=50)
        assert all(re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){4}[0-9A-HJKMNP-TV-Z]{4}", code) for code in batch.codes)
        assert len(set(batch.codes)) == 50
        kept = str(list(Voucher.objects.filter(batch=batch.batch).values()))
        assert not any(code in kept or code.replace("-", "") in kept for code in batch.codes)
        assert not any(code in repr(batch) for code in batch.codes)
        assert len(spelling.ALPHABET) ** (spelling.LENGTH - spelling.GROUP) >= 2**80

    def test_a_form_that_is_sent_twice_makes_one_batch(self):
        submission = uuid.uuid4()
        first = made(submission=submission)
        with pytest.raises(vouchers.AlreadyMadeError) as refused:
            made(submission=submission, codes=3)
        assert refused.value.batch == first.batch
        assert Voucher.objects.filter(batch=first.batch).count() == 1

    def test_without_a_pepper_no_code_is_made(self, settings):
        settings.KEY_PEPPER = ""
        with pytest.raises(Exception, match="KEY_PEPPER"):
            made()


@pytest.mark.usefixtures("clean_books")
class TestRaces:
    def at_once(self, wallets, code):
        """What became of each wallet's try, all started together."""
        start = threading.Barrier(len(wallets))

        def one(wallet):
            start.wait()
            try:
                while True:
                    try:
                        return type(redeem(wallet, code)).__name__
                    except WalletBusyError:
                        continue
                    except vouchers.VoucherError as refusal:
                        return type(refusal).__name__
            finally:
                connection.close()

        with ThreadPoolExecutor(len(wallets)) as pool:
            return Counter(pool.map(one, wallets))

    def test_twenty_accounts_at_once_use_up_five_uses(self):
        batch = made(uses=5)
        wallets = [WalletFactory() for _ in range(20)]
        assert self.at_once(wallets, batch.codes[0]) == {"LedgerEntry": 5, "NotOpenError": 15}
        assert sorted(balance(wallet) for wallet in wallets) == [0] * 15 + [Decimal("25.5")] * 5
        assert batch.batch.vouchers.get().used == 5

    def test_one_account_ten_times_at_once_redeems_once(self):
        batch, wallet = made(uses=5), WalletFactory()
        assert self.at_once([wallet] * 10, batch.codes[0]) == {"LedgerEntry": 1, "AlreadyRedeemedError": 9}
        assert (balance(wallet), batch.batch.vouchers.get().used) == (Decimal("25.5"), 1)

    def test_a_wallet_that_is_locked_for_long_is_told_and_nothing_is_used(self, connect):
        batch, wallet = made(), WalletFactory()
        other = connect()
        with other.transaction():
            other.execute("select 1 from wallets_wallet where id = %s for update", [wallet.pk])
            with pytest.raises(WalletBusyError):
                redeem(wallet, batch.codes[0])
        assert batch.batch.vouchers.get().used == 0
        assert redeem(wallet, batch.codes[0]).amount == Decimal("25.5")

    def test_a_voucher_is_not_used_by_what_is_rolled_back(self):
        batch, wallet = made(), WalletFactory()
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            redeem(wallet, batch.codes[0])
            1 / 0  # noqa: B018
        assert (batch.batch.vouchers.get().used, LedgerEntry.objects.filter(wallet=wallet).count()) == (0, 0)
