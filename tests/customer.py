"""A customer of a running site: an account with credits and a key, and the calls it makes over HTTP."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import Any

import httpx

from keys.models import ApiKey
from tests.factories import AccountFactory, ApiKeyFactory, WalletFactory
from wallets.models import LedgerEntry, UsageRecord, Wallet


class Customer:
    """Made with real commits (fixture `committed`), so that the site sees it. `requests_per_minute` is the account's figure."""

    def __init__(
        self, v1: str, *, balance: Decimal | str = "1000", max_in_flight: int = 64, requests_per_minute: int | None = None
    ) -> None:
        self.v1 = v1
        self.account = AccountFactory(requests_per_minute=requests_per_minute)
        self.put_in = Decimal(balance)
        self._wallet = WalletFactory(account=self.account, balance=self.put_in)
        Wallet.objects.filter(pk=self._wallet.pk).update(max_in_flight=max_in_flight)
        self.key: ApiKey = ApiKeyFactory(account=self.account)
        self.token: str = self.key.token

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @cached_property
    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.v1, headers=self.headers, timeout=60)

    def chat(self, text: str = "Say hi in five words.", *, model: str = "MiniMax-M2.7", **fields: Any) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
        return self.http.post("/chat/completions", json=body)

    @property
    def wallet(self) -> Wallet:
        """The wallet as it stands now."""
        return Wallet.objects.get(pk=self._wallet.pk)

    @property
    def entries(self) -> list[LedgerEntry]:
        """The charges of this wallet, oldest first."""
        return list(LedgerEntry.objects.filter(wallet=self._wallet, kind="charge").order_by("seq"))

    @property
    def records(self) -> list[UsageRecord]:
        return list(UsageRecord.objects.filter(wallet=self._wallet).order_by("created_at"))

    @property
    def record(self) -> UsageRecord:
        """The one usage record there is."""
        (record,) = self.records
        return record
