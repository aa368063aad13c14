"""Staff make vouchers by a form, see their codes once, and disable what leaked."""

from __future__ import annotations

import base64
import re
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Event
from tests.browsing import read, signed_in, text
from tests.factories import StaffFactory, WalletFactory
from wallets.models import Voucher, VoucherBatch
from wallets.vouchers import vouchers

pytestmark = pytest.mark.django_db
ADD, BATCHES, CODES = (reverse(f"admin:wallets_{name}") for name in ("voucherbatch_add", "voucherbatch_changelist", "voucher_changelist"))
LOOK = ["wallets.view_voucher", "wallets.view_voucherbatch", "wallets.view_ledgerentry"]
CODE = r"(?:[0-9A-Z]{4}-){4}[0-9A-Z]{4}"


@pytest.fixture
def staff():
    return signed_in(StaffFactory(permissions=[*LOOK, "wallets.add_voucherbatch", "wallets.change_voucher"]))


@pytest.fixture
def onlooker():
    return signed_in(StaffFactory(permissions=LOOK))


def form(**fields):
    expires = timezone.now() + timedelta(days=30)
    return {
        "credits": "500",
        "codes": "3",
        "uses": "2",
        "expires_at_0": f"{expires:%Y-%m-%d}",
        "expires_at_1": f"{expires:%H:%M:%S}",
        "note": "For the conference",
        "submission": str(uuid.uuid4()),
        **fields,
    }


def test_new_codes_are_shown_once_to_print_and_as_a_file_and_each_can_be_redeemed(staff):
    page = staff.post(ADD, form())
    assert page.status_code == 200
    assert "no-store" in page.headers["Cache-Control"]
    codes = re.findall(CODE, text(page))
    (file,) = re.findall(r'href="data:text/csv;base64,([^"]+)" download="vouchers-\d+.csv"', page.content.decode())
    assert base64.b64decode(file).decode().split() == ["code", *codes]
    assert len(codes) == 3
    wallet = WalletFactory()
    for code in codes:
        assert vouchers.redeem(wallet.account, code=code, actor=wallet.account.user).amount == 500
    batch = VoucherBatch.objects.get()
    event = Event.objects.get(kind="vouchers.made")
    assert (event.actor, event.data["batch"], event.data["codes"]) == (staff.user, batch.pk, 3)
    for url in (BATCHES, CODES, reverse("admin:wallets_voucherbatch_change", args=[batch.pk])):
        assert not re.search(CODE, staff.get(url).content.decode())


def test_a_form_that_is_sent_twice_makes_one_batch_and_says_so(staff):
    fields = form()
    staff.post(ADD, fields)
    again = staff.post(ADD, fields, follow=True)
    assert "This form was sent before" in text(again)
    assert VoucherBatch.objects.count() == 1


def test_without_an_expiry_a_code_is_good_for_ever(staff):
    assert staff.post(ADD, form(expires_at_0="", expires_at_1="")).status_code == 200
    assert VoucherBatch.objects.get().expires_at is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"credits": "0"},
        {"credits": "-5"},
        {"credits": "2e9"},
        {"codes": "0"},
        {"codes": "1001"},
        {"uses": "0"},
        {"uses": "1000001"},
        {"expires_at_0": "2020-01-01"},
        {"note": ""},
        {"submission": "x"},
    ],
    ids=str,
)
def test_a_wrong_form_makes_nothing_and_loses_nothing(staff, wrong):
    page = staff.post(ADD, form(**wrong))
    assert page.status_code == 200
    assert not re.search(CODE, text(page))
    assert VoucherBatch.objects.count() == 0
    if "note" not in wrong:
        assert "For the conference" in page.content.decode()


def test_a_code_is_found_by_its_first_group_and_leads_to_its_redemptions(staff):
    code = re.findall(CODE, text(staff.post(ADD, form(codes="1"))))[0]
    wallet = WalletFactory()
    entry = vouchers.redeem(wallet.account, code=code, actor=wallet.account.user)
    found = staff.get(CODES, {"q": code[:4].lower()})
    (voucher,) = found.context["cl"].result_list
    assert "open" in text(found)
    redemptions = staff.get(f"/admin/wallets/voucher/{voucher.pk}/redemptions/", follow=True)
    assert list(redemptions.context["cl"].result_list) == [entry]
    codes = staff.get(f"/admin/wallets/voucherbatch/{voucher.batch_id}/codes/", follow=True)
    assert list(codes.context["cl"].result_list) == [voucher]
    (batch,) = staff.get(BATCHES).context["cl"].result_list
    assert batch.used_in_all == 1


def test_one_code_or_all_of_a_batch_are_disabled_with_a_reason(staff):
    staff.post(ADD, form())
    first, *rest = Voucher.objects.order_by("pk")
    one = f"/admin/wallets/voucher/{first.pk}/disable/"
    assert "Disable" in text(staff.get(one))
    staff.post(one, {"reason": ""})
    assert Voucher.objects.filter(disabled_at=None).count() == 3
    assert "Disabled: the code " in text(staff.post(one, {"reason": "leaked"}, follow=True))
    every = f"/admin/wallets/voucherbatch/{first.batch_id}/disable/"
    assert "Disabled: every code of the batch " in text(staff.post(every, {"reason": "all leaked"}, follow=True))
    assert "Disabled before." in text(staff.get(every, follow=True))
    assert Voucher.objects.filter(disabled_at=None).count() == 0
    assert Event.objects.filter(kind="voucher.disabled", actor=staff.user, data__voucher=rest[0].pk, data__reason="all leaked").count() == 1


def test_who_may_only_look_makes_and_disables_nothing(staff, onlooker):
    staff.post(ADD, form())
    voucher = Voucher.objects.first()
    assert onlooker.post(ADD, form()).status_code == 403
    for url in (f"/admin/wallets/voucher/{voucher.pk}/disable/", f"/admin/wallets/voucherbatch/{voucher.batch_id}/disable/"):
        assert onlooker.post(url, {"reason": "x"}).status_code == 403
    assert Voucher.objects.filter(disabled_at=None).count() == 3
    assert VoucherBatch.objects.count() == 1
    assert onlooker.get(reverse("admin:wallets_voucher_change", args=[voucher.pk])).status_code == 200


def test_nothing_of_a_voucher_can_be_edited_or_deleted(staff):
    staff.post(ADD, form())
    voucher = Voucher.objects.first()
    for model, row in (("voucher", voucher), ("voucherbatch", voucher.batch)):
        assert staff.get(reverse(f"admin:wallets_{model}_change", args=[row.pk])).status_code == 200
        assert staff.post(reverse(f"admin:wallets_{model}_change", args=[row.pk]), {"credits": "9"}).status_code == 403
        assert staff.post(reverse(f"admin:wallets_{model}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert VoucherBatch.objects.get().credits == Decimal(500)


def test_a_customer_sees_none_of_it():
    customer = signed_in(WalletFactory().account.user)
    for url in (BATCHES, ADD):
        assert customer.get(url).status_code == 302
        assert not re.search(CODE, str(read(customer.get(url))))
