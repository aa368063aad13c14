"""One wallet, one row at a time, in a few lines of Python: what the statements and the ledger are held against."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal


def began(window: str, at: datetime) -> datetime:
    """When the period around `at` began."""
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "day": day,
        "week": day - timedelta(days=day.weekday()),
        "month": day.replace(day=1),
        "total": datetime(1970, 1, 1, tzinfo=UTC),
    }[window]


@dataclass
class Cap:
    """`touched_at` is when its key last made a call or the cap was set: its counters are of that period."""

    window: str
    limit: Decimal
    touched_at: datetime

    @property
    def period(self) -> datetime:
        return began(self.window, self.touched_at)


@dataclass
class Model:
    """`calls` are [status, hold, charge, API key, time of admission] by usage id, `caps` by API key and window, `keys` (usage id, body)
    by Idempotency-Key, `entered` [usage id, credits] by reference of the ledger's other entries."""

    balance: Decimal
    max_in_flight: int
    calls: dict[str, list] = field(default_factory=dict)
    charges: list[Decimal] = field(default_factory=list)
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)
    entered: dict[str, tuple[str, Decimal]] = field(default_factory=dict)
    caps: dict[int | None, dict[str, Cap]] = field(default_factory=dict)

    @property
    def running(self) -> list[Decimal]:
        return [call[1] for call in self.calls.values() if call[0] == "open"]

    @property
    def available(self) -> Decimal:
        return self.balance - sum(self.running)

    def set_cap(self, spender: int, window: str, limit: Decimal | None) -> None:
        caps = self.caps.setdefault(spender, {})
        if limit is None:
            caps.pop(window, None)
        elif window in caps:
            caps[window].limit = limit
        else:
            caps[window] = Cap(window, limit, datetime.now(UTC))

    def days_pass(self, days: int) -> None:
        """All that happened was so many days earlier."""
        for call in self.calls.values():
            call[4] -= timedelta(days=days)
        for caps in self.caps.values():
            for cap in caps.values():
                cap.touched_at -= timedelta(days=days)

    def spent(self, spender: int | None, since: datetime) -> Decimal:
        given_back = [amount for usage_id, amount in self.entered.values() if usage_id and self._counts(usage_id, spender, since)]
        charged = [call[2] or Decimal(0) for usage_id, call in self.calls.items() if self._counts(usage_id, spender, since)]
        return sum(charged, Decimal(0)) - sum(given_back)

    def held(self, spender: int | None, since: datetime) -> Decimal:
        return sum((call[1] for id, call in self.calls.items() if call[0] == "open" and self._counts(id, spender, since)), Decimal(0))

    def _counts(self, usage_id: str, spender: int | None, since: datetime) -> bool:
        return self.calls[usage_id][3] == spender and self.calls[usage_id][4] >= since

    def place(self, usage_id: str, amount: Decimal, *, key: str = "", body: str = "", spender: int | None = None) -> str:
        if usage_id in self.calls:
            return "held"
        if key in self.keys:
            first, said = self.keys[key]
            return "conflict" if said != body else "replay" if self.calls[first][0] == "charged" else "in_progress"
        now, caps = datetime.now(UTC), self.caps.get(spender, {}).values()
        since = {cap.window: began(cap.window, max(cap.touched_at, now)) for cap in caps}
        if self.balance < amount:
            return "insufficient"
        if any(self.spent(spender, since[cap.window]) + amount > cap.limit for cap in caps):
            return "capped"
        if self.available < amount:
            return "busy"
        if len(self.running) >= self.max_in_flight:
            return "too_many"
        if any(self.spent(spender, since[cap.window]) + self.held(spender, since[cap.window]) + amount > cap.limit for cap in caps):
            return "cap_busy"
        for cap in caps:
            cap.touched_at = max(cap.touched_at, now)
        self.calls[usage_id] = ["open", amount, None, spender, now]
        if key:
            self.keys[key] = (usage_id, body)
        return "held"

    def move(self, usage_id: str, amount: Decimal) -> str:
        call = self.calls.get(usage_id, ["unknown", 0, None])
        if call[0] != "open":
            return "closed"
        if amount > call[1]:
            caps = [cap for cap in self.caps.get(call[3], {}).values() if call[4] >= cap.period]
            if self.balance < amount:
                return "insufficient"
            if any(self.spent(call[3], cap.period) + amount > cap.limit for cap in caps):
                return "capped"
            if self.available + call[1] < amount:
                return "busy"
            if any(self.spent(call[3], cap.period) + self.held(call[3], cap.period) - call[1] + amount > cap.limit for cap in caps):
                return "cap_busy"
        call[1] = amount
        return "held"

    def settle(self, usage_id: str, amount: Decimal) -> str:
        call = self.calls.get(usage_id, ["unknown", 0, None])
        if call[0] == "open":
            call[:3] = ["charged", call[1], amount]
            self.balance -= amount
            self.charges.append(amount)
        return "charged" if call[0] == "charged" and call[2] == amount else "closed"

    def release(self, usage_id: str) -> str:
        call = self.calls.get(usage_id, ["unknown", 0, None])
        if call[0] == "open":
            call[0] = "released"
            self.keys = {key: of for key, of in self.keys.items() if of[0] != usage_id}
        return "released" if call[0] == "released" else "closed"

    def credit(self, reference: str, amount: Decimal, *, usage_id: str = "") -> bool:
        """Whether it is entered, now or earlier: more than is available can't be taken."""
        if reference not in self.entered:
            if amount < 0 and self.available + amount < 0:
                return False
            self.entered[reference] = (usage_id, amount)
            self.balance += amount
        return True

    def refund(self, usage_id: str, amount: Decimal, reference: str) -> Decimal | None:
        """What is given back, now or earlier: never more than is left of the charge. None for nothing."""
        if reference not in self.entered:
            left = self.calls[usage_id][2] or Decimal(0)
            left -= sum(given for of, given in self.entered.values() if of == usage_id)
            if not left:
                return None
            self.credit(reference, min(amount, left), usage_id=usage_id)
        return self.entered[reference][1]
