"""Spend caps of API keys: set, looked at, and given back to. What holds and charges do to them is in wallets/statements.

A key's caps are its *budget's*. A key that replaces another (rotation) joins its budget: while both are in use they spend of the same
caps, and changing them for one changes them for the other. Nothing is ever forgiven: a limit that is changed keeps its counters, and a
cap that is set, for the first time or again, begins with what the budget's keys have spent and hold in the current period.
"""

# ruff: noqa: S608  # the texts are put together from constants

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import F

from accounts import events
from accounts.models import User
from wallets import periods
from wallets.models import BudgetKey, Cap, CapWindow, UsageRecord, Wallet
from wallets.money import as_text, group, is_amount

BEGIN = f"""
insert into wallets_cap (wallet_id, budget_id, "window", limit_credits, period, spent, held, created_at)
select %(wallet)s, %(budget)s, p."window", p.limit_credits, p.began, coalesce(sum(u.charged_credits - u.refunded_credits), 0),
       coalesce(sum(u.hold_credits) filter (where u.status = 'open'), 0), statement_timestamp()
  from (select w.*, {periods.begin('w."window"')} as began
          from unnest(%(windows)s::text[], %(limits)s::numeric[]) w("window", limit_credits)) p
  left join wallets_usagerecord u
         on u.key_id = any (array(select key_id from wallets_budgetkey where budget_id = %(budget)s)) and u.created_at >= p.began
 group by p."window", p.limit_credits, p.began
"""

SUM_TIMEOUT = "2s"
"""How long a new cap may keep the wallet locked for adding up what its keys have spent: of a long history, it can take longer."""

STANDING = f"""
select b.key_id, c."window", c.limit_credits, case when c.period = p.began then c.spent else 0 end,
       case when c.period = p.began then c.held else 0 end, {periods.end('c."window"', began="p.began")} as resets_at
  from wallets_budgetkey b join wallets_cap c on c.budget_id = b.budget_id
 cross join lateral (select greatest(c.period, {periods.begin('c."window"')}) as began) p
 where b.key_id = any (%s)
 order by b.key_id, resets_at nulls last, c.id
"""


WARNED_AT = 80
"""Percent of a limit, from which a key's page and a mail to its owner (keys/cap_notices.py) warn."""


@dataclass(frozen=True, slots=True)
class CapStanding:
    """A key's cap in the period that runs now, in credits. A total's `resets_at` is None: never."""

    window: CapWindow
    limit_credits: Decimal
    spent_credits: Decimal
    held_credits: Decimal
    resets_at: datetime | None

    @property
    def fraction(self) -> Decimal:
        """What is spent of the limit: 0 to 1, and more where a charge or a lower limit has brought it above."""
        return self.spent_credits / self.limit_credits if self.limit_credits else Decimal(1)

    @property
    def in_words(self) -> str:
        """ "100.0000 credits a month", for people."""
        return f"{group(self.limit_credits)} credits {'in total' if self.window == CapWindow.TOTAL else f'a {self.window}'}"

    @property
    def percent(self) -> int:
        """`fraction` in whole percent, down, so that 100 is reached only when all is spent."""
        return int(self.fraction * 100)

    @property
    def is_used_up(self) -> bool:
        """Whether every call that may cost something is refused with `spend_limit_reached`."""
        return self.spent_credits >= self.limit_credits

    @property
    def is_nearly_used_up(self) -> bool:
        """Whether the owner has been warned: from 80 % on, until it is used up."""
        return not self.is_used_up and self.percent >= WARNED_AT


@transaction.atomic
def set_caps(wallet: Wallet | int, *, key_id: int, limits: Mapping[str, Decimal | None], actor: User | None) -> bool:
    """Set the caps of a key of `wallet`: `limits` has credits (four places, not negative) by window, None to remove one.

    Windows that are not named stay as they are. A limit may be below what is spent: then the next call is refused. Calls under way
    go on. Returns whether anything is changed. Raises ValueError for what is no window or no amount, OperationalError when the wallet
    is locked for too long, by others or by this (SUM_TIMEOUT).
    """
    for window, limit in limits.items():
        if window not in CapWindow.values or (limit is not None and not is_amount(limit)):
            raise ValueError(f"no cap: {limit} credits per {window}")
    locked = Wallet.objects.lock(wallet if isinstance(wallet, int) else wallet.pk)
    known = BudgetKey.objects.filter(key_id=key_id).first()
    if known is None and all(limit is None for limit in limits.values()):
        return False
    budget_id = (known or BudgetKey.objects.create(key_id=key_id, budget_id=key_id)).budget_id
    caps = {cap.window: cap for cap in Cap.objects.filter(budget_id=budget_id)}
    changed = {window: limit for window, limit in limits.items() if limit != (caps[window].limit_credits if window in caps else None)}
    if not changed:
        return False
    new: dict[str, Decimal] = {}
    for window, limit in changed.items():
        if limit is None:
            caps[window].delete()
        elif window in caps:
            Cap.objects.filter(pk=caps[window].pk).update(limit_credits=limit)
        else:
            new[window] = limit
    if new:
        _begin(locked, budget_id=budget_id, limits=new)
    _tell_statements(locked)
    said = {window: None if limit is None else as_text(limit) for window, limit in changed.items()}
    events.record("key.caps_changed", account=locked.account, actor=actor, key_id=key_id, limits=said)
    return True


@transaction.atomic
def join_budget(wallet: Wallet | int, *, key_id: int, replaces_key_id: int) -> None:
    """A new key of `wallet` replaces another: from now on both spend of the same caps, those that are set later too.

    Given again, nothing happens. Raises ValueError for a new key that has made calls, OperationalError when the wallet is locked for
    too long.
    """
    locked = Wallet.objects.lock(wallet if isinstance(wallet, int) else wallet.pk)
    if BudgetKey.objects.filter(key_id=key_id).exists():
        return
    if UsageRecord.objects.filter(key_id=key_id).exists():
        raise ValueError(f"key {key_id} has made calls, which no cap of another key has counted")
    first, _ = BudgetKey.objects.get_or_create(key_id=replaces_key_id, defaults={"budget_id": replaces_key_id})
    BudgetKey.objects.create(key_id=key_id, budget_id=first.budget_id)
    _tell_statements(locked)


def caps_of(key_ids: Iterable[int]) -> dict[int, list[CapStanding]]:
    """The caps of each of the keys as they stand now, the one that ends first first; keys without caps are left out."""
    found: dict[int, list[CapStanding]] = {}
    with connection.cursor() as cursor:
        cursor.execute(STANDING, [list(key_ids)])
        for key_id, window, *rest in cursor.fetchall():
            found.setdefault(key_id, []).append(CapStanding(CapWindow(window), *rest))
    return found


def give_back(record: UsageRecord, *, credits: Decimal) -> None:
    """Credits of the record's charge come back to its key's caps, in the caller's transaction, which has locked the wallet.

    A cap whose counters are of a later period than the call has nothing to get back.
    """
    if record.key_id is None:
        return
    budget = BudgetKey.objects.filter(key_id=record.key_id).values("budget_id")
    Cap.objects.filter(budget_id__in=budget, period__lte=record.created_at).update(spent=F("spent") - credits)


def _begin(wallet: Wallet, *, budget_id: int, limits: Mapping[str, Decimal]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select current_setting('statement_timeout'), set_config('statement_timeout', %s, true)", [SUM_TIMEOUT])
        before, _ = cursor.fetchone()
        cursor.execute(BEGIN, {"wallet": wallet.pk, "budget": budget_id, "windows": list(limits), "limits": list(limits.values())})
        cursor.execute("select set_config('statement_timeout', %s, true)", [before])


def _tell_statements(wallet: Wallet) -> None:
    """A statement that began before can't see new rows; it finds out by this."""
    Wallet.objects.filter(pk=wallet.pk).update(caps_version=F("caps_version") + 1)
