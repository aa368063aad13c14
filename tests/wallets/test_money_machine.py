"""Any order of all that moves credits, repeats and lost acknowledgements included, equals ten lines of Python; the audit agrees.

Hypothesis looks for the order that does not, and shortens what it finds. `ROUNDS` makes it look for longer.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from tests.factories import WalletFactory
from tests.wallets.calls import charge, giving_back, hold, moving, new_id
from tests.wallets.days import days_pass
from tests.wallets.model import Model
from wallets import budgets, holds, ledger, refunds
from wallets.audit import audit
from wallets.models import Cap, IdempotencyKey, LedgerEntry, UsageRecord, Wallet
from wallets.sweeper import sweep

PROCESSES = ("one", "other")
EXAMPLES = 20 * (5 + int(os.environ.get("ROUNDS") or 5))

# Of the size of the balance, so that two or three of them are too many
credits = st.sampled_from([Decimal(amount) for amount in ("6", "4", "2.5", "9", "3.3333", "5", "1", "0.0001", "0", "12")])
amounts = credits.filter(bool)
calls = st.integers(0, 7)  # few, so that they come again
# The last of them come with Idempotency-Keys: (key, body)
KEYS = {4: ("a", "x"), 5: ("a", "x"), 6: ("a", "y"), 7: ("b", "x")}


class Money(RuleBasedStateMachine):
    """One wallet, two processes that place holds. Every question is kept, to be asked again."""

    def __init__(self) -> None:
        super().__init__()
        self.ids = [new_id() for _ in range(8)]
        self.placed: dict[str, holds.Hold] = {}
        self.asked: list[Callable[[], None]] = []

    @initialize(balance=st.integers(5, 15).map(Decimal), most=st.integers(2, 8))
    def open(self, balance: Decimal, most: int) -> None:
        self.wallet = WalletFactory(balance=balance, max_in_flight=most)
        self.model = Model(balance, most)
        self.processes = {name: f"{name}-{new_id()}" for name in PROCESSES}

    def call_of(self, number: int, *, status: str = "open") -> holds.Hold:
        """Mostly a call of that status, if there is any; else one that may be anything."""
        fit = [usage_id for usage_id, call in self.model.calls.items() if call[0] == status]
        usage_id = fit[number % len(fit)] if fit and number else self.ids[number]
        return hold(self.wallet, 0, usage_id=usage_id)

    def ask(self, question: Callable[[], None]) -> None:
        self.asked.append(question)
        question()

    @rule(call=calls, amount=credits, process=st.sampled_from(PROCESSES))
    def place(self, call: int, amount: Decimal, process: str) -> None:
        # A usage id comes again with the same hold only
        key = holds.Reservation(KEYS[call][0] * 64, KEYS[call][1] * 64) if call in KEYS else None
        spender = self.wallet.pk * 10 + call % 3 if call % 3 else None
        mine = hold(self.wallet, amount, usage_id=self.ids[call], process_id=self.processes[process], reservation=key, key_id=spender)
        mine = self.placed.setdefault(mine.usage_id, mine)
        self.ask(lambda: self._place(mine))

    def _place(self, mine: holds.Hold) -> None:
        expected = self.model.place(mine.usage_id, mine.credits, key=mine.key_digest, body=mine.key_fingerprint, spender=mine.key_id)
        assert holds.place([mine])[0].kind == expected

    @rule(call=calls, amount=credits)
    def move(self, call: int, amount: Decimal) -> None:
        mine = moving(self.call_of(call), amount)
        self.ask(lambda: self._move(mine))

    def _move(self, mine: holds.Move) -> None:
        assert holds.move([mine])[0].kind == self.model.move(mine.usage_id, mine.credits)

    @rule(call=calls, amount=credits)
    def settle(self, call: int, amount: Decimal) -> None:
        mine = charge(self.call_of(call), amount, answer=b"sealed")
        self.ask(lambda: self._settle(mine))

    def _settle(self, mine: holds.Settlement) -> None:
        assert holds.settle([mine])[0].kind == self.model.settle(mine.usage_id, mine.credits)

    @rule(call=calls)
    def release(self, call: int) -> None:
        mine = giving_back(self.call_of(call))
        self.ask(lambda: self._release(mine))

    def _release(self, mine: holds.Release) -> None:
        assert holds.release([mine])[0].kind == self.model.release(mine.usage_id)

    @rule(kind=st.sampled_from(["grant", "adjustment"]), amount=amounts)
    def add(self, kind: str, amount: Decimal) -> None:
        reference = f"{kind}:{new_id()}"
        self.ask(lambda: self._credit(kind, amount, reference))

    @rule(amount=amounts)
    def take(self, amount: Decimal) -> None:
        reference = f"adjustment:{new_id()}"
        self.ask(lambda: self._credit("adjustment", -amount, reference))

    def _credit(self, kind: str, amount: Decimal, reference: str) -> None:
        try:
            with transaction.atomic():
                ledger.credit(self.wallet, kind=kind, amount=amount, reference=reference, reason="a test's")
        except ledger.NotEnoughCreditsError:
            assert not self.model.credit(reference, amount)
        else:
            assert self.model.credit(reference, amount)

    @rule(call=calls, amount=amounts)
    def refund(self, call: int, amount: Decimal) -> None:
        usage_id, reference = self.call_of(call, status="charged").usage_id, f"refund:{new_id()}"
        self.ask(lambda: self._refund(usage_id, amount, reference))

    def _refund(self, usage_id: str, amount: Decimal, reference: str) -> None:
        if usage_id not in self.model.calls:
            with pytest.raises(UsageRecord.DoesNotExist):
                refunds.refund(usage_id, credits=amount, reference=reference)
        else:
            entry = refunds.refund(usage_id, credits=amount, reference=reference)
            assert (entry and entry.amount) == self.model.refund(usage_id, amount, reference)

    @rule(most=st.integers(0, 8).map(lambda fewer: 8 - fewer))
    def limit_calls_in_flight(self, most: int) -> None:
        Wallet.objects.filter(pk=self.wallet.pk).update(max_in_flight=most)
        self.model.max_in_flight = most

    @rule(number=st.integers(1, 2), window=st.sampled_from(["day", "week", "month", "total"]), limit=st.none() | credits)
    def set_a_cap(self, number: int, window: str, limit: Decimal | None) -> None:
        spender = self.wallet.pk * 10 + number
        budgets.set_caps(self.wallet, key_id=spender, limits={window: limit}, actor=None)
        self.model.set_cap(spender, window, limit)

    @rule(days=st.sampled_from([1, 7, 31]))
    def days_pass(self, days: int) -> None:
        days_pass(self.wallet, days, model=self.model)

    @rule(gone=st.sampled_from(PROCESSES))
    def lose_a_process(self, gone: str) -> None:
        """Its open calls are lost; the other's go on. What it asked comes again from its successor."""
        with connection.cursor() as cursor:
            for name, process in self.processes.items():
                cursor.execute(SEEN, [process, 3600 if name == gone else -3600])
        sweep(gone_seconds=0.01)
        for usage_id, mine in self.placed.items():
            if usage_id not in self.model.calls:
                continue
            # No call takes a day
            if mine.process_id == self.processes[gone] or self.model.calls[usage_id][4] < datetime.now(UTC) - timedelta(hours=12):
                self.model.release(usage_id)

    @precondition(lambda self: self.asked)
    @rule(pick=st.randoms(use_true_random=False))
    def ask_again(self, pick: random.Random) -> None:
        """The acknowledgement was lost: any earlier question, with all that has happened since."""
        pick.choice(self.asked)()

    @invariant()
    def the_wallet_is_the_models(self) -> None:
        if not hasattr(self, "wallet"):
            return
        wallet = Wallet.objects.get(pk=self.wallet.pk)
        assert (wallet.balance, wallet.held, wallet.in_flight) == (self.model.balance, sum(self.model.running), len(self.model.running))
        for cap in Cap.objects.filter(wallet=wallet):
            assert cap.period == self.model.caps[cap.budget_id][cap.window].period
            assert (cap.spent, cap.held) == (self.model.spent(cap.budget_id, cap.period), self.model.held(cap.budget_id, cap.period))
        kept = IdempotencyKey.objects.filter(wallet=wallet).values_list("digest", "usage_id")
        assert dict(kept) == {key: usage_id for key, (usage_id, _) in self.model.keys.items()}

    def teardown(self) -> None:
        entries = LedgerEntry.objects.filter(wallet=self.wallet, kind="charge").order_by("seq")
        assert [-entry.amount for entry in entries] == self.model.charges
        assert [difference for difference in audit() if difference.wallet_id == self.wallet.pk] == []


SEEN = """
insert into wallets_process (id, seen_at) values (%s, clock_timestamp() - make_interval(secs => %s))
    on conflict (id) do update set seen_at = excluded.seen_at"""


@pytest.mark.django_db
def test_money_is_what_ten_lines_of_python_say():
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        Money, settings=settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None, suppress_health_check=checks)
    )
