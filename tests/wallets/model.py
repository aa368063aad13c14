"""One wallet, one row at a time, in a few lines of Python: what the statements and the ledger are held against."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal


@dataclass
class Model:
    """`calls` are [status, hold, charge] by usage id, `keys` (usage id, body) by Idempotency-Key, `entered` [usage id, credits]
    by reference of the ledger's other entries."""

    balance: Decimal
    max_in_flight: int
    calls: dict[str, list] = field(default_factory=dict)
    charges: list[Decimal] = field(default_factory=list)
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)
    entered: dict[str, tuple[str, Decimal]] = field(default_factory=dict)

    @property
    def running(self) -> list[Decimal]:
        return [call[1] for call in self.calls.values() if call[0] == "open"]

    @property
    def available(self) -> Decimal:
        return self.balance - sum(self.running)

    def place(self, usage_id: str, amount: Decimal, *, key: str = "", body: str = "") -> str:
        if usage_id in self.calls:
            return "held"
        if key in self.keys:
            first, said = self.keys[key]
            return "conflict" if said != body else "replay" if self.calls[first][0] == "charged" else "in_progress"
        if self.balance < amount:
            return "insufficient"
        if self.available < amount:
            return "busy"
        if len(self.running) >= self.max_in_flight:
            return "too_many"
        self.calls[usage_id] = ["open", amount, None]
        if key:
            self.keys[key] = (usage_id, body)
        return "held"

    def move(self, usage_id: str, amount: Decimal) -> str:
        call = self.calls.get(usage_id, ["unknown", 0, None])
        if call[0] != "open":
            return "closed"
        if amount > call[1]:
            if self.balance < amount:
                return "insufficient"
            if self.available + call[1] < amount:
                return "busy"
        call[1] = amount
        return "held"

    def settle(self, usage_id: str, amount: Decimal) -> str:
        call = self.calls.get(usage_id, ["unknown", 0, None])
        if call[0] == "open":
            call[:] = ["charged", call[1], amount]
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
