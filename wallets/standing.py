"""How a wallet stands right now, read on the event loop (wallets/pool.py): what it has, what a USD is worth in it, what a key may spend."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from wallets import periods, pool
from wallets.rates import rate_in_force

_READ = f"select balance, held, {rate_in_force('wallet.id')} from wallets_wallet as wallet where id = %s"  # noqa: S608  # no value is put into it

_ROOM = f"""
select min(c.limit_credits - case when c.period >= {periods.begin('c."window"')} then c.spent + c.held else 0 end)
  from wallets_budgetkey b join wallets_cap c on c.budget_id = b.budget_id where b.key_id = %s"""  # noqa: S608  # no value is put into it


@dataclass(frozen=True, slots=True)
class Standing:
    """Credits of a wallet, at one moment. `credits_per_usd` is the display rate in force for it, None where none is set."""

    balance: Decimal
    held: Decimal
    credits_per_usd: Decimal | None

    @property
    def available_credits(self) -> Decimal:
        """What no call in flight holds; negative when the wallet is below zero."""
        return self.balance - self.held


async def of(wallet_id: int) -> Standing:
    """The wallet's standing. Raises LookupError for an unknown wallet."""
    async with pool.connection() as connection:
        row = await (await connection.execute(_READ, [wallet_id])).fetchone()
    if row is None:
        raise LookupError(f"no wallet {wallet_id}")
    return Standing(*row)


async def room_of(key_id: int) -> Decimal | None:
    """Credits that the key's spend caps leave for a hold now, None where it has no cap. Below 0 where more than a limit is spent."""
    async with pool.connection() as connection:
        row = await (await connection.execute(_ROOM, [key_id])).fetchone()
    assert row is not None
    room: Decimal | None = row[0]
    return room
