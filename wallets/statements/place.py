"""Holds are placed: see `place`."""

# ruff: noqa: S608  # no value is ever put into these texts: all travel as parameters

from __future__ import annotations

from typing import Any, Final

from wallets import periods
from wallets.batch import IS_THERE, Statement, caps, rows, wallets
from wallets.statements.used_up import used_up_caps
from wallets.statements.words import AGAIN, LOCKED

# For how long an Idempotency-Key stands for the call it came with, counted from that call's beginning
KEY_HOURS: Final = 24


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
    is_used_up, used_up = used_up_caps("due c where c.budget_id = room.budget_id")
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


PLACE, PLACE_SKIP_LOCKED = place(), place(skip_locked=True)
