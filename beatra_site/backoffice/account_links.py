"""Where in the admin an account's things are: its page leads to each of them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

from django.urls import reverse

from accounts.models import Account
from wallets.models import EntryKind, Wallet


def of(account: Account) -> Iterator[tuple[str, str]]:
    """Addresses and what is there. Whoever may not look at one is told so there."""
    whose = {"account__id__exact": account.pk}
    yield _list("accounts_event", **whose), "Everything done to this account"
    yield _list("keys_apikey", **whose), "API keys"
    yield _list("accounts_notice", **whose), "Mails to it"
    yield _list("tasks_app_task", **whose), "Tasks"
    yield _list("tasks_app_artifact", **whose), "Files"
    if (wallet := Wallet.objects.filter(account=account).first()) is None:
        return
    whose = {"wallet__id__exact": wallet.pk}
    yield reverse("admin:wallets_wallet_change", args=[wallet.pk]), "Wallet"
    yield _list("wallets_ledgerentry", **whose), "Ledger"
    yield _list("wallets_usagerecord", **whose), "Usage"
    yield _list("wallets_topup", **whose), "Top-ups"
    yield _list("wallets_autotopup", **whose), "Automatic top-up"
    yield _list("wallets_ledgerentry", **whose, kind__exact=EntryKind.VOUCHER), "Vouchers redeemed"
    yield _list("wallets_cap", **whose), "Spend caps"


def _list(model: str, **filters: object) -> str:
    return f"{reverse(f'admin:{model}_changelist')}?{urlencode(filters)}"
