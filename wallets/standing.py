"""How a wallet stands right now, read on the event loop (wallets/pool.py): what it has, and what a USD is worth in it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from wallets import pool

# The wallet's own newest rate in force before the site's, as in `settle` (wallets/statements.py)
_READ = """
select balance, held, coalesce(
         (select value from wallets_creditsperusdrate where wallet_id = wallet.id and effective_from <= statement_timestamp()
           order by effective_from desc, id desc limit 1),
         (select value from wallets_creditsperusdrate where wallet_id is null and effective_from <= statement_timestamp()
           order by effective_from desc, id desc limit 1))
  from wallets_wallet as wallet where id = %s
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """Credits of a wallet, at one moment. `credits_per_usd` is the display rate in force for it."""

    balance: Decimal
    held: Decimal
    credits_per_usd: Decimal

    @property
    def available_credits(self) -> Decimal:
        """What no call in flight holds; negative when the wallet is below zero."""
        return self.balance - self.held


async def of(wallet_id: int) -> Standing:
    """The wallet's standing. Raises LookupError for an unknown wallet, or where no rate is in force."""
    async with pool.connection() as connection:
        row = await (await connection.execute(_READ, [wallet_id])).fetchone()
    if row is None or row[2] is None:
        raise LookupError(
            f"no wallet {wallet_id}" if row is None else "no credits-per-USD rate is in force: `manage.py seed` sets the site's"
        )
    return Standing(*row)
