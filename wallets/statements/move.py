"""Holds are moved to another model or route: see `move`."""

# ruff: noqa: S608  # no value is ever put into these texts: all travel as parameters

from __future__ import annotations

from typing import Any

from wallets.batch import FOUND, IS_THERE, Statement, caps, count, records, rows, wallets
from wallets.statements.used_up import used_up_caps
from wallets.statements.words import AGAIN, LOCKED

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
    is_used_up, used_up = used_up_caps("counting c where c.usage_id = r.usage_id")
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


MOVE, MOVE_SKIP_LOCKED = move(), move(skip_locked=True)
