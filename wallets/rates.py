"""How many credits show as one USD: which of the rates counts."""

from __future__ import annotations

from decimal import Decimal

from django.db import connection

from wallets.models import Wallet


def rate_in_force(wallet_id: str) -> str:
    """SQL for the credits-per-USD rate now: the own newest of the wallet in that column before the site's, NULL where there is neither."""

    def newest(whose: str) -> str:
        return f"""(select value from wallets_creditsperusdrate where wallet_id {whose} and effective_from <= statement_timestamp()
                     order by effective_from desc, id desc limit 1)"""  # noqa: S608  # no value is put into it

    return f"coalesce({newest(f'= {wallet_id}')}, {newest('is null')})"


def in_force(wallet: Wallet) -> Decimal | None:
    """Credits that show as one USD in this wallet now; None where neither it nor the site has a rate."""
    with connection.cursor() as cursor:
        cursor.execute(f"select {rate_in_force('%s')}", [wallet.pk])
        (rate,) = cursor.fetchone()
    return rate  # type: ignore[no-any-return]  # NUMERIC
