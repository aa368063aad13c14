"""The statements that move held and charged credits: place, move, settle, release. One request or a batch, the same text.

Each takes its rows in order of arrival (wallets/batch.py). What each does, in prose:

0. Lock the wallets of the batch, lowest id first. A statement sees a snapshot taken before it got the locks, but a locked row as
   it is now: so amounts come from the locked wallets (`l`), and a record is closed by an UPDATE that looks at it again. Spend caps
   are locked after their wallets (`cap`); wallets with caps that the snapshot does not have are left to the next statement.
1. Decide over the locked rows with window sums, in order of arrival.
2. Write records, entries, Idempotency-Keys and wallets, in that one statement: all or nothing.

Answers are those of handling the rows one after another. What one pass can't tell is answered `again`, which the caller asks
again; every pass decides at least one row of each wallet. With `skip_locked` the rows of a wallet that another transaction has
locked are answered `locked` and nothing is done about them, so that one busy wallet stalls nobody.

`wallet_id + 0`, `closed_at` for an open record and `expires_at + interval '0'` keep the planner from the indexes by wallet, of open
records and by the end of a key's window.
Nothing here is newer than PostgreSQL 14.
"""

# ruff: noqa: S608  # no value is ever put into these texts: all travel as parameters

from __future__ import annotations

from typing import Any, Final

from wallets import periods
from wallets.batch import FOUND, IS_THERE, Statement, caps, count, records, rows, wallets
from wallets.rates import rate_in_force

AGAIN: Final = "again"
LOCKED: Final = "locked"
NO_RATE: Final = "no_rate"
# For how long an Idempotency-Key stands for the call it came with, counted from that call's beginning
KEY_HOURS: Final = 24

# Of the records that a statement closes, those that a spend cap may count
CLOSED_KEYS: Final = "select closed.key_id from closed join l on l.id = closed.wallet_id where l.caps_version > 0"

PLACE_COLUMNS = {
    "usage_id": "text",
    "wallet_id": "bigint",
    "credits": "numeric(18, 4)",
    "process_id": "varchar(64)",
    "request_id": "varchar(128)",
    "key_id": "bigint",
    "key_prefix": "varchar(16)",
    "key_name": "varchar(200)",
    "capability": "varchar(32)",
    "model_asked": "varchar(200)",
    "model": "varchar(200)",
    "route": "varchar(200)",
    "credits_per_litellm_usd": "numeric",
    "price_version": "int",
    "stream": "boolean",
    "metadata": "jsonb",
    "key_digest": "text",
    "key_fingerprint": "text",
}


def place(*, skip_locked: bool = False) -> Statement[Any]:
    """Holds: (usage_id, verdict, balance, held, in_flight, and of a `capped` one [limit, window, end] of its cap) each.

    Balance, held and in_flight are the wallet's after this statement.

    A hold larger than what is available now is refused at once, whatever comes before it: availability only falls within a batch.
    The others (`x`) are held as long as their running sum fits (`ok`); the first that does not fit ends that, and what is after it
    and fits what is left is `again`. Both sums only grow, so a row after `ok` ended sees exactly what is left.

    The spend caps of the batch's keys (`due`, with the counters of the periods that have begun) leave each budget a `room`: a larger hold
    is refused at once, and the others run up to it as to the wallet's. A row after one that its cap had no room for may be held in the
    same pass: it fits with all before it counted, so they fit too when their turn comes. A record is of the latest period that a
    statement before it has begun, whatever the clock says.

    A usage id comes again with the same hold, and gets the same verdict; it has its record already if it was held (`old`). A record
    that came while this statement waited for the wallet is not in its snapshot: then the insert meets it (23505: ask again), or,
    before a refusal, wallets_placed takes a fresh look.

    An Idempotency-Key is inserted with its hold (`key`), over one whose time is up. One that another call has (`taken`) is answered
    `conflict`, `replay` or `in_progress` whatever the wallet has. Of several in a batch the first decides, the others are `again`; so
    is one that was taken since the snapshot: the insert has met it, and the next statement sees it.
    """
    unseen = LOCKED if skip_locked else AGAIN
    is_used_up, used_up = _used_up("due c where c.budget_id = room.budget_id")
    # What only a refused row of a capped key needs is asked for in sub-queries: all others pay nothing for it
    held_now = "(select used.credits from used where used.budget_id = room.budget_id)"
    text = f"""with {rows(PLACE_COLUMNS)},
k as materialized (
    select r.*, key_digest = '' or row_number() over (partition by wallet_id, key_digest order by ord) = 1 as first_of_key from r
),
old as materialized (
    select id, wallet_id from wallets_usagerecord where id = any (array(select usage_id from r))
),
i as materialized (
    select wallet_id, digest, fingerprint, usage_id, answer is not null as answered from wallets_idempotencykey
     where wallet_id = any (array(select wallet_id from r where key_digest <> ''))
       and digest = any (array(select key_digest from r where key_digest <> '')) and expires_at + interval '0' > statement_timestamp()
),
taken as materialized (
    select r.ord, i.fingerprint = r.key_fingerprint as same, i.answered
      from r join i on i.wallet_id = r.wallet_id and i.digest = r.key_digest and i.usage_id is distinct from r.usage_id
),
{wallets(skip_locked=skip_locked)},
{caps("select r.key_id from r join l on l.id = r.wallet_id where l.caps_version > 0")},
due as materialized (
    select cap.id, cap.budget_id, cap."window", cap.limit_credits, now.period,
           case when cap.period = now.period then cap.spent else 0 end as spent,
           case when cap.period = now.period then cap.held else 0 end as held
      from cap cross join lateral (select greatest(cap.period, {periods.begin('cap."window"')}) as period) now
),
room as materialized (
    select budget.key_id, budget.budget_id, min(due.limit_credits - due.spent - due.held) as credits, max(due.period) as since
      from budget join due on due.budget_id = budget.budget_id group by budget.key_id, budget.budget_id
),
x as materialized (
    select k.*, greatest(statement_timestamp(), room.since) as created_at,
           sum(k.credits) over w <= l.balance - l.held and l.in_flight + count(*) over w <= l.max_in_flight
           and coalesce(sum(k.credits) over b <= room.credits, true) as ok
      from k join l on l.id = k.wallet_id left join room on room.key_id = k.key_id
     where k.first and k.first_of_key and k.credits <= l.balance - l.held and coalesce(k.credits <= room.credits, true)
       and not exists (select from old where old.id = k.usage_id and old.wallet_id = k.wallet_id)
       and not exists (select from taken where taken.ord = k.ord)
    window w as (partition by k.wallet_id order by k.ord), b as (partition by k.wallet_id, room.budget_id order by k.ord)
),
key as (
    insert into wallets_idempotencykey as i (wallet_id, digest, fingerprint, usage_id, process_id, created_at, expires_at)
    select wallet_id, key_digest, key_fingerprint, usage_id, process_id, statement_timestamp(),
           statement_timestamp() + interval '{KEY_HOURS} hours'
      from x where ok and key_digest <> ''
        on conflict (wallet_id, digest) do update
       set fingerprint = excluded.fingerprint, usage_id = excluded.usage_id, process_id = excluded.process_id, answer = null,
           created_at = excluded.created_at, expires_at = excluded.expires_at
     where i.expires_at <= statement_timestamp()
    returning i.usage_id
),
ins as (
    insert into wallets_usagerecord (id, wallet_id, process_id, request_id, capability, key_id, key_prefix, key_name,
                                     model_asked, model, route, stream, status, hold_credits, credits_per_litellm_usd,
                                     price_version, metadata, created_at)
    select usage_id, wallet_id, process_id, request_id, capability, key_id, key_prefix, key_name,
           model_asked, model, route, stream, 'open', credits, credits_per_litellm_usd,
           price_version, metadata, created_at
      from x where ok and (key_digest = '' or usage_id in (select usage_id from key))
    returning id, wallet_id, key_id, hold_credits
),
used as materialized (
    select room.budget_id, sum(ins.hold_credits) as credits from ins join room on room.key_id = ins.key_id group by room.budget_id
),
counted as (
    update wallets_cap c set period = due.period, spent = due.spent, held = due.held + used.credits
      from due join used on used.budget_id = due.budget_id
     where c.id = any (array(select id from due)) and c.id = due.id
),
up as (
    update wallets_wallet w set held = w.held + s.credits, in_flight = w.in_flight + s.calls
      from (select wallet_id, sum(hold_credits) as credits, count(*) as calls from ins group by wallet_id) s
     where w.id = s.wallet_id
    returning w.id, w.held, w.in_flight
)
select r.usage_id,
       case when old.id is not null or ins.id is not null then 'held'
            when not taken.same then 'conflict'
            when taken.answered then 'replay'
            when taken.ord is not null then 'in_progress'
            when l.id is null then case when {IS_THERE} then '{unseen}' else 'unknown_wallet' end
            when x.ok or not r.first_of_key then '{AGAIN}'
            when r.credits <= l.balance - coalesce(up.held, l.held)
                 and coalesce(up.in_flight, l.in_flight) < l.max_in_flight
                 and (room.key_id is null or r.credits <= room.credits - coalesce({held_now}, 0)) then '{AGAIN}'
            when wallets_placed(r.usage_id, r.wallet_id) then 'held'
            when l.balance < r.credits then 'insufficient'
            when room.key_id is not null and {is_used_up} then 'capped'
            when l.balance - coalesce(up.held, l.held) < r.credits then 'busy'
            when coalesce(up.in_flight, l.in_flight) >= l.max_in_flight then 'too_many'
            else 'cap_busy' end,
       coalesce(l.balance, 0), coalesce(up.held, l.held, 0), coalesce(up.in_flight, l.in_flight, 0),
       case when room.key_id is not null and ins.id is null then {used_up} end
  from k as r
  left join old on old.id = r.usage_id and old.wallet_id = r.wallet_id
  left join taken on taken.ord = r.ord
  left join l on l.id = r.wallet_id
  left join x on x.usage_id = r.usage_id and x.wallet_id = r.wallet_id
  left join ins on ins.id = r.usage_id and ins.wallet_id = r.wallet_id
  left join up on up.id = r.wallet_id
  left join room on room.key_id = r.key_id
 order by r.ord"""
    return Statement(text, PLACE_COLUMNS)


def _used_up(caps: str) -> tuple[str, str]:
    """SQL about a row `r` and its `caps`: whether what is spent leaves too little of one for it, and the one that stands longest."""
    of_row = f"from {caps} and c.spent + r.credits > c.limit_credits"
    told = f"""(select json_build_array(c.limit_credits::text, c."window", {periods.end('c."window"', began="c.period")})
                {of_row} order by {periods.end('c."window"', began="c.period")} desc nulls first limit 1)"""
    return f"exists (select {of_row})", told


MOVE_COLUMNS = {
    "usage_id": "text",
    "wallet_id": "bigint",
    "credits": "numeric(18, 4)",
    "model": "varchar(200)",
    "route": "varchar(200)",
    "credits_per_litellm_usd": "numeric",
    "price_version": "int",
}


def move(*, skip_locked: bool = False) -> Statement[Any]:
    """Holds that another model or route needs instead; answers are those of `place`.

    The record's hold and price become the new ones in one step, so that nothing is free meanwhile. A hold that does not grow is always
    carried. One row of each wallet is decided in a pass: what one gives back the next may need. A record that is closed, or was moved
    since this statement's snapshot, is not touched.
    """
    unseen = LOCKED if skip_locked else AGAIN
    is_used_up, used_up = _used_up("counting c where c.usage_id = r.usage_id")
    text = f"""with {rows(MOVE_COLUMNS)},
{records("hold_credits", "key_id", "created_at")},
{wallets(skip_locked=skip_locked)},
{caps("select u.key_id from u join l on l.id = u.wallet_id where l.caps_version > 0")},
counting as materialized (
    select u.id as usage_id, cap.* from u join budget on budget.key_id = u.key_id join cap on cap.budget_id = budget.budget_id
     where u.created_at >= cap.period
),
x as materialized (
    select r.*, u.hold_credits as credits_before,
           r.credits <= greatest(u.hold_credits, u.hold_credits + least(l.balance - l.held, room.credits)) as ok
      from (select r.*, row_number() over (partition by wallet_id order by ord) = 1 as first_of_wallet from r where r.first) r
      join l on l.id = r.wallet_id
      join u on u.id = r.usage_id and u.wallet_id = r.wallet_id and u.status = 'open'
      left join (select usage_id, min(limit_credits - spent - held) as credits from counting group by usage_id) room
        on room.usage_id = r.usage_id
     where r.first_of_wallet
),
moved as (
    update wallets_usagerecord u
       set hold_credits = x.credits, model = x.model, route = x.route, credits_per_litellm_usd = x.credits_per_litellm_usd,
           price_version = x.price_version
      from x where x.ok and {FOUND} and u.id = x.usage_id and u.closed_at is null and u.hold_credits = x.credits_before
    returning u.id, u.wallet_id, u.key_id, u.created_at, x.credits - x.credits_before as more
),
counted as (
    {count("moved", held="more")}
),
up as (
    update wallets_wallet w set held = w.held + moved.more from moved where w.id = moved.wallet_id
    returning w.id, w.held
)
select r.usage_id,
       case when moved.id is not null then 'held'
            when l.id is null and {IS_THERE} then '{unseen}'
            when u.status is distinct from 'open' then 'closed'
            when x.ok or x.usage_id is null then '{AGAIN}'
            when l.balance < r.credits then 'insufficient'
            when {is_used_up} then 'capped'
            when l.balance - l.held + x.credits_before < r.credits then 'busy'
            else 'cap_busy' end,
       coalesce(l.balance, 0), coalesce(up.held, l.held, 0), coalesce(l.in_flight, 0),
       case when moved.id is null then {used_up} end
  from r
  left join l on l.id = r.wallet_id
  left join x on x.ord = r.ord
  left join moved on moved.id = r.usage_id and moved.wallet_id = r.wallet_id and r.first
  left join up on up.id = r.wallet_id
  left join u on u.id = r.usage_id and u.wallet_id = r.wallet_id
 order by r.ord"""
    return Statement(text, MOVE_COLUMNS)


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


PLACE, PLACE_SKIP_LOCKED = place(), place(skip_locked=True)
MOVE, MOVE_SKIP_LOCKED = move(), move(skip_locked=True)
SETTLE, SETTLE_SKIP_LOCKED = settle(), settle(skip_locked=True)
RELEASE, RELEASE_SKIP_LOCKED = release(), release(skip_locked=True)
