"""Holds are given back without a charge: see `release`."""

# ruff: noqa: S608  # no value is ever put into these texts: all travel as parameters

from __future__ import annotations

from typing import Any

from wallets.batch import CLOSED_KEYS, FOUND, IS_THERE, Statement, caps, count, records, rows, wallets
from wallets.statements.words import AGAIN, LOCKED

RELEASE_COLUMNS = {
    "usage_id": "text",
    "wallet_id": "bigint",
    "clause": "varchar(32)",
    "outcome": "varchar(32)",
    "error_code": "varchar(64)",
    "attempts": "jsonb",
    "absorbed_cost_usd": "numeric(24, 12)",
    "latency_ms": "int",
}


def release(*, skip_locked: bool = False) -> Statement[Any]:
    """Ends without a charge: (usage_id, verdict) each. `again` as in settle. The record's Idempotency-Key goes: a retry may run."""
    unseen = LOCKED if skip_locked else AGAIN
    text = f"""with {rows(RELEASE_COLUMNS)},
{records()},
{wallets(skip_locked=skip_locked)},
closed as (
    update wallets_usagerecord u
       set status = 'released', closed_at = statement_timestamp(), clause = r.clause, outcome = r.outcome, error_code = r.error_code,
           attempts = r.attempts, absorbed_cost_usd = r.absorbed_cost_usd, latency_ms = r.latency_ms
      from r join l on l.id = r.wallet_id
     where r.first and {FOUND} and u.id = r.usage_id and u.wallet_id + 0 = r.wallet_id and u.closed_at is null
    returning u.id, u.wallet_id, u.key_id, u.created_at, u.hold_credits, r.ord
),
{caps(CLOSED_KEYS)},
counted as (
    {count("closed", held="-hold_credits")}
),
key as (
    delete from wallets_idempotencykey i using closed
     where i.usage_id = any (array(select usage_id from r)) and i.usage_id = closed.id
),
up as (
    update wallets_wallet w set held = w.held - s.held, in_flight = w.in_flight - s.calls
      from (select wallet_id, sum(hold_credits) as held, count(*) as calls from closed group by wallet_id) s
     where w.id = s.wallet_id
)
select r.usage_id,
       case when c.id is not null then 'released'
            when l.id is null and {IS_THERE} then '{unseen}'
            when u.status = 'open' then '{AGAIN}'
            when u.status = 'released' then 'released'
            else 'closed' end
  from r
  left join l on l.id = r.wallet_id
  left join closed c on c.ord = r.ord
  left join u on u.id = r.usage_id and u.wallet_id = r.wallet_id
 order by r.ord"""
    return Statement(text, RELEASE_COLUMNS)


RELEASE, RELEASE_SKIP_LOCKED = release(), release(skip_locked=True)
