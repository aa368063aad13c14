"""The books against themselves: every amount that is kept twice, compared, in one consistent look.

Each check is one SQL statement that returns what differs as (wallet, subject, what it should be, what it is).
"""

# ruff: noqa: S608  # the texts are put together from constants of this file

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, transaction

from wallets.models import PAID_CLAUSES

LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Difference:
    """One amount that is not what it should be. `subject` is the row: "wallet", a ledger reference or a usage id."""

    check: str
    wallet_id: int
    subject: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.check}: wallet {self.wallet_id}, {self.subject}: expected {self.expected}, found {self.found}"


def _wallet_against(column: str, total: str, rows: str) -> str:
    """A wallet's `column` against the `total` over its `rows`."""
    return f"""
    select w.id, 'wallet', coalesce(s.total, 0)::text, w.{column}::text
      from wallets_wallet w left join (select wallet_id, {total} as total from {rows} group by wallet_id) s on s.wallet_id = w.id
     where w.{column} <> coalesce(s.total, 0)"""


def _top_up_against(column: str, kinds: str) -> str:
    """A top-up's `column` against what its entries of these kinds took."""
    return f"""
    select t.wallet_id, t.id, coalesce(s.total, 0)::text, t.{column}::text
      from wallets_topup t
      left join (select split_part(reference, ':', 2) as id, -sum(amount) as total
                   from wallets_ledgerentry where kind in ({kinds}) group by 1) s
        on s.id = t.id
     where t.{column} <> coalesce(s.total, 0)"""


def _cap_against(column: str, total: str) -> str:
    """A cap's `column` against the `total` over the calls of its period."""
    return f"""
    select c.wallet_id, 'cap ' || c.id, coalesce(s.total, 0)::text, c.{column}::text
      from wallets_cap c
      cross join lateral (select {total} as total
                            from wallets_budgetkey b join wallets_usagerecord u on u.key_id = b.key_id and u.created_at >= c.period
                           where b.budget_id = c.budget_id) s
     where c.{column} <> coalesce(s.total, 0)"""


OPEN = "wallets_usagerecord where status = 'open'"

# What the clauses of contract.md 2 charge
CHAT_CHARGE = f"""case when clause in ({", ".join(f"'{clause}'" for clause in PAID_CLAUSES)})
                then round(cost_usd * credits_per_litellm_usd, 4) else 0.0000 end"""
USD_REFERENCE = "(div(charged_credits * 20000 + credits_per_usd_rate, credits_per_usd_rate * 2) / 10000)::numeric(24, 4)"

CHECKS = {
    "balance is the sum of the entries": _wallet_against("balance", "sum(amount)", "wallets_ledgerentry"),
    "entries are counted": _wallet_against("entries", "count(*)", "wallets_ledgerentry"),
    "held is the sum of the open holds": _wallet_against("held", "sum(hold_credits)", OPEN),
    "calls in flight are counted": _wallet_against("in_flight", "count(*)", OPEN),
    "seq has no gap": """
    select wallet_id, reference, n::text, seq::text
      from (select wallet_id, reference, seq, row_number() over (partition by wallet_id order by seq) as n from wallets_ledgerentry) e
     where seq <> n""",
    "balance_after follows": """
    select wallet_id, reference, (before + amount)::text, balance_after::text
      from (select wallet_id, reference, amount, balance_after,
                   lag(balance_after, 1, 0::numeric) over (partition by wallet_id order by seq) as before
              from wallets_ledgerentry) e
     where balance_after <> before + amount""",
    "a charged record has its entry": """
    select u.wallet_id, u.id, (-u.charged_credits)::text, coalesce(e.amount::text, 'none')
      from wallets_usagerecord u
      left join wallets_ledgerentry e
        on e.reference = 'charge:' || u.id and e.kind = 'charge' and e.wallet_id = u.wallet_id and e.usage_record_id = u.id
     where u.status = 'charged' and e.amount is distinct from -u.charged_credits""",
    "a charge entry has its charged record": """
    select e.wallet_id, e.reference, 'charge:' || e.usage_record_id, coalesce(u.status, 'none')
      from wallets_ledgerentry e left join wallets_usagerecord u on u.id = e.usage_record_id
     where e.kind = 'charge' and (u.status is distinct from 'charged' or e.reference <> 'charge:' || u.id)""",
    "a charge has its price": """
    select wallet_id, id, 'a price', concat_ws(', version ',
                                               coalesce(credits_per_litellm_usd::text, 'none'), coalesce(price_version::text, 'none'))
      from wallets_usagerecord
     where status = 'charged' and (price_version is null or capability = 'chat' and credits_per_litellm_usd is null)""",
    "a chat's charge is cost x markup": f"""
    select wallet_id, id, {CHAT_CHARGE}::text, charged_credits::text
      from wallets_usagerecord where status = 'charged' and capability = 'chat' and charged_credits <> {CHAT_CHARGE}""",
    "the cost is the sum of its lines": """
    select u.wallet_id, u.id, round(s.usd, 12)::text, u.cost_usd::text
      from wallets_usagerecord u
      cross join lateral (select sum((line ->> 'usd')::numeric) as usd from jsonb_array_elements(u.cost_lines) line) s
     where u.cost_lines <> '[]' and round(s.usd, 12) is distinct from u.cost_usd""",
    "the USD reference is credits / rate": f"""
    select wallet_id, id, {USD_REFERENCE}::text, credits_usd_reference::text
      from wallets_usagerecord where status = 'charged' and credits_usd_reference <> {USD_REFERENCE}""",
    "an idempotency key has its call": """
    select k.wallet_id, u.id, case when k.answer is null then 'open' else 'charged' end, u.status
      from wallets_idempotencykey k join wallets_usagerecord u on u.id = k.usage_id
     where u.status <> case when k.answer is null then 'open' else 'charged' end or u.wallet_id <> k.wallet_id""",
    # Of a write that is not billed (wallets/answered_once.py): both are of one transaction
    "an idempotency key without a call has its answer": """
    select k.wallet_id, 'key ' || k.id, 'an answer', 'none' from wallets_idempotencykey k where k.usage_id is null and k.answer is null""",
    "refunds are the sum of their entries": """
    select u.wallet_id, u.id, coalesce(s.total, 0)::text, u.refunded_credits::text
      from wallets_usagerecord u
      left join (select usage_record_id, sum(amount) as total from wallets_ledgerentry where kind = 'refund' group by usage_record_id) s
        on s.usage_record_id = u.id
     where u.refunded_credits <> coalesce(s.total, 0)""",
    # Of the wallets that redeemed a voucher, the first stands for it
    "a voucher's uses are its entries": """
    select coalesce(s.wallet_id, 0), 'voucher:' || v.id, coalesce(s.total, 0)::text, v.used::text
      from wallets_voucher v
      left join (select split_part(reference, ':', 2) as id, count(*) as total, min(wallet_id) as wallet_id
                   from wallets_ledgerentry where kind = 'voucher' group by 1) s
        on s.id = v.id::text
     where v.used <> coalesce(s.total, 0)""",
    "a voucher's entry gives what it is worth": """
    select e.wallet_id, e.reference, coalesce(v.credits::text, 'a voucher'), e.amount::text
      from wallets_ledgerentry e
      join wallets_wallet w on w.id = e.wallet_id
      left join (select v.id, b.credits from wallets_voucher v join wallets_voucherbatch b on b.id = v.batch_id) v
        on e.reference = 'voucher:' || v.id || ':' || w.account_id
     where e.kind = 'voucher' and e.amount is distinct from v.credits""",
    "a paid top-up has its entry": """
    select t.wallet_id, t.id, case t.status when 'paid' then t.credits::text else 'none' end, coalesce(e.amount::text, 'none')
      from wallets_topup t
      left join wallets_ledgerentry e on e.reference = 'topup:' || t.id and e.kind = 'topup' and e.wallet_id = t.wallet_id
     where e.amount is distinct from case t.status when 'paid' then t.credits end""",
    "a top-up entry has its top-up": """
    select e.wallet_id, e.reference, 'a top-up', 'none'
      from wallets_ledgerentry e
      left join wallets_topup t on t.id = split_part(e.reference, ':', 2) and t.wallet_id = e.wallet_id
     where e.kind in ('topup', 'topup_refund', 'dispute', 'dispute_won') and t.id is null""",
    "what refunds took is the sum of their entries": _top_up_against("refunded_credits", "'topup_refund'"),
    "what disputes took is the sum of their entries": _top_up_against("disputed_credits", "'dispute', 'dispute_won'"),
    "what disputes took is the sum of the disputes": """
    select t.wallet_id, t.id, coalesce(s.total, 0)::text, t.disputed_credits::text
      from wallets_topup t
      left join (select top_up_id, sum(credits) as total from wallets_dispute where status <> 'won' group by top_up_id) s
        on s.top_up_id = t.id
     where t.disputed_credits <> coalesce(s.total, 0)""",
    "refunds took their share": """
    select t.wallet_id, t.id, greatest(s.share, 0)::text, t.refunded_credits::text
      from wallets_topup t
      cross join lateral (select least(round(t.credits * t.refunded_usd / t.amount_usd, 4), t.credits - t.disputed_credits) as share) s
     where t.status = 'paid' and t.refunded_credits <> s.share""",
    "a cap's spent is what its calls cost": _cap_against("spent", "sum(u.charged_credits - u.refunded_credits)"),
    "a cap's held is the sum of its open holds": _cap_against("held", "sum(u.hold_credits) filter (where u.status = 'open')"),
}


def audit() -> list[Difference]:
    """Every difference in every wallet's books, at most LIMIT of each check; empty when all is well.

    All of one moment, so that money may move meanwhile.
    """
    differences = []
    with one_moment(), connection.cursor() as cursor:
        for check, text in CHECKS.items():
            cursor.execute(f"{text} order by 1, 2 limit {LIMIT}")
            differences += [Difference(check, *row) for row in cursor.fetchall()]
    return differences


@contextmanager
def one_moment() -> Iterator[None]:
    """One REPEATABLE READ, read-only transaction; inside a caller's transaction, that one."""
    inside = connection.in_atomic_block
    with transaction.atomic():
        if not inside:
            with connection.cursor() as cursor:
                cursor.execute("set transaction isolation level repeatable read, read only")
        yield
