"""Charges replace holds: see `settle`."""

# ruff: noqa: S608  # no value is ever put into these texts: all travel as parameters

from __future__ import annotations

from typing import Any

from wallets.batch import CLOSED_KEYS, FOUND, IS_THERE, Statement, caps, count, records, rows, wallets
from wallets.rates import rate_in_force
from wallets.statements.words import AGAIN, LOCKED, NO_RATE

SETTLE_COLUMNS = {
    "usage_id": "text",
    "wallet_id": "bigint",
    "credits": "numeric(18, 4)",
    "cost_usd": "numeric(24, 12)",
    "clause": "varchar(32)",
    "outcome": "varchar(32)",
    "model": "varchar(200)",
    "route": "varchar(200)",
    "cost_source": "varchar(240)",
    "cost_lines": "jsonb",
    "absorbed_cost_usd": "numeric(24, 12)",
    "prompt_tokens": "bigint",
    "cached_tokens": "bigint",
    "cache_write_tokens": "bigint",
    "completion_tokens": "bigint",
    "reasoning_tokens": "bigint",
    "estimated": "boolean",
    "alert": "varchar(64)",
    "attempts": "jsonb",
    "latency_ms": "int",
    "first_output_ms": "int",
    "answer": "text",
}


def settle(*, skip_locked: bool = False) -> Statement[Any]:
    """Charges: (usage_id, verdict, credits_usd_reference, rate, balance) each.

    The rate is the one in force now, the wallet's own newest before the site's; the reference is credits / rate to four places,
    half up, by one integer division (money.usd_reference does the same). A record that is charged already with the same amount
    is this settlement's own earlier try: it answers `charged` with what that wrote. `again` is a record that was closed while
    this statement waited for its wallet, or that comes twice in the batch. `no_rate` is an open record of a wallet for which no
    rate is in force: it is left open, a receipt without its reference is not written. The sealed `answer` goes to the record's
    Idempotency-Key.
    """
    unseen = LOCKED if skip_locked else AGAIN
    text = f"""with {rows(SETTLE_COLUMNS)},
{records("charged_credits, credits_per_usd_rate, credits_usd_reference")},
{wallets(skip_locked=skip_locked)},
rate as materialized (
    select l.id,
           {rate_in_force("l.id")} as value
      from l
),
x as materialized (
    select r.*, rate.value as rate, div(r.credits * 20000 + rate.value, rate.value * 2) / 10000 as reference
      from r join rate on rate.id = r.wallet_id where r.first and rate.value is not null
),
closed as (
    update wallets_usagerecord u
       set status = 'charged', closed_at = statement_timestamp(), charged_credits = x.credits, cost_usd = x.cost_usd,
           credits_per_usd_rate = x.rate, credits_usd_reference = x.reference, clause = x.clause, outcome = x.outcome,
           model = coalesce(nullif(x.model, ''), u.model), route = coalesce(nullif(x.route, ''), u.route),
           cost_source = x.cost_source, cost_lines = x.cost_lines, absorbed_cost_usd = x.absorbed_cost_usd,
           prompt_tokens = x.prompt_tokens, cached_tokens = x.cached_tokens, cache_write_tokens = x.cache_write_tokens,
           completion_tokens = x.completion_tokens, reasoning_tokens = x.reasoning_tokens,
           estimated = x.estimated, alert = x.alert, attempts = x.attempts,
           latency_ms = x.latency_ms, first_output_ms = x.first_output_ms
      from x where {FOUND} and u.id = x.usage_id and u.wallet_id + 0 = x.wallet_id and u.closed_at is null
    returning u.id, u.wallet_id, u.key_id, u.created_at, u.hold_credits, u.charged_credits, u.credits_per_usd_rate,
              u.credits_usd_reference, x.ord
),
{caps(CLOSED_KEYS)},
counted as (
    {count("closed", held="-hold_credits", spent="charged_credits")}
),
c as materialized (
    select closed.*, l.entries + row_number() over w as seq, l.balance - sum(closed.charged_credits) over w as balance_after
      from closed join l on l.id = closed.wallet_id
    window w as (partition by closed.wallet_id order by closed.ord)
),
kept as (
    update wallets_idempotencykey i set answer = decode(x.answer, 'base64')
      from x join closed on closed.ord = x.ord
     where x.answer <> '' and i.usage_id = any (array(select usage_id from x where answer <> '')) and i.usage_id = closed.id
),
entry as (
    insert into wallets_ledgerentry (wallet_id, seq, kind, amount, balance_after, reference, usage_record_id, created_at)
    select wallet_id, seq, 'charge', -charged_credits, balance_after, 'charge:' || id, id, statement_timestamp() from c
),
up as (
    update wallets_wallet w
       set balance = w.balance - s.charged, held = w.held - s.held, in_flight = w.in_flight - s.calls, entries = w.entries + s.calls
      from (select wallet_id, sum(charged_credits) as charged, sum(hold_credits) as held, count(*) as calls
              from closed group by wallet_id) s
     where w.id = s.wallet_id
)
select r.usage_id,
       case when c.id is not null then 'charged'
            when l.id is null and {IS_THERE} then '{unseen}'
            when u.status = 'open' then case when rate.value is null then '{NO_RATE}' else '{AGAIN}' end
            when u.status = 'charged' and u.charged_credits = r.credits then 'charged'
            else 'closed' end,
       coalesce(c.credits_usd_reference, u.credits_usd_reference, 0), coalesce(c.credits_per_usd_rate, u.credits_per_usd_rate, 0),
       coalesce(c.balance_after, l.balance, 0)
  from r
  left join l on l.id = r.wallet_id
  left join rate on rate.id = r.wallet_id
  left join c on c.ord = r.ord
  left join u on u.id = r.usage_id and u.wallet_id = r.wallet_id
 order by r.ord"""
    return Statement(text, SETTLE_COLUMNS)


SETTLE, SETTLE_SKIP_LOCKED = settle(), settle(skip_locked=True)
