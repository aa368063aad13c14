"""Random batches over keys with spend caps equal handling one after another, over days, weeks and months that pass in between."""

from __future__ import annotations

import os
import random
import uuid
from collections import Counter
from decimal import Decimal

import pytest

from tests.factories import WalletFactory
from tests.wallets.calls import charge, giving_back, hold, moving, new_id
from tests.wallets.days import days_pass
from tests.wallets.model import Model
from wallets import budgets, holds, refunds
from wallets.audit import audit
from wallets.models import Cap, Wallet

STORIES = 12 * int(os.environ.get("ROUNDS") or 5)
WINDOWS = ("day", "week", "month", "total")
# Of several that are told to wait it may be the wallet or the cap that the verdict names
WAIT = {"busy", "too_many", "cap_busy"}
# What the stories are made for; some is so rare that a few more have to be told
TOLD = {"place held", "place capped", "place cap_busy", "move held", "move capped", "move cap_busy", "settle charged"}
SEEN: Counter[str] = Counter()


class Story:
    """Two wallets with two capped keys each, and calls without a key; what happens follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.wallets: list[Wallet] = []
        self.models: list[Model] = []
        for _ in range(2):
            balance, most = Decimal(self.rng.choice([10, 30, 100])), self.rng.choice([3, 8, 30])
            self.wallets.append(WalletFactory(balance=balance, max_in_flight=most))
            self.models.append(Model(balance, most))
        self.placed: list[tuple[int, holds.Hold]] = []
        for which in (0, 1):
            for number in (0, 1):
                for window in self.rng.sample(WINDOWS, self.rng.randint(0, 3)):
                    self.set_cap(which, number, window)

    def amount(self) -> Decimal:
        return self.rng.choice([Decimal(0), Decimal(self.rng.randint(1, 6)), Decimal(self.rng.randint(0, 90_000)).scaleb(-4)])

    def key(self, which: int, number: int) -> int:
        return self.wallets[which].pk * 10 + number

    def set_cap(self, which: int, number: int, window: str) -> None:
        limit = self.rng.choice([None, Decimal(self.rng.randint(0, 15)), Decimal(self.rng.randint(5, 40))])
        budgets.set_caps(self.wallets[which], key_id=self.key(which, number), limits={window: limit}, actor=None)
        self.models[which].set_cap(self.key(which, number), window, limit)

    def place(self) -> None:
        batch = []
        for _ in range(self.rng.randint(1, 12)):
            if self.placed and self.rng.random() < 0.1:
                batch.append(self.rng.choice(self.placed))  # asked again
                continue
            which, number = self.rng.randint(0, 1), self.rng.randint(0, 2)
            key_id = self.key(which, number) if number < 2 else None
            batch.append((which, hold(self.wallets[which], self.amount(), usage_id=new_id(), key_id=key_id)))
        self.placed += batch
        expected = [self.models[which].place(one.usage_id, one.credits, spender=one.key_id) for which, one in batch]
        capped = [bool(self.models[which].caps.get(one.key_id)) for which, one in batch]
        self.compare("place", [answer.kind for answer in holds.place([one for _, one in batch])], expected, capped)

    def some(self) -> list[tuple[Model, holds.Hold]]:
        """Calls that were placed, mostly open ones, with other amounts."""
        few = self.rng.choices(self.placed, k=self.rng.randint(1, 6)) if self.placed else []
        few += [pair for pair in self.placed if self.status(*pair) == "open" and self.rng.random() < 0.3]
        return [(self.models[which], hold(one.wallet_id, self.amount(), usage_id=one.usage_id)) for which, one in few]

    def status(self, which: int, one: holds.Hold) -> str:
        return str(self.models[which].calls.get(one.usage_id, ["refused"])[0])

    def settle(self) -> None:
        calls = self.some()
        expected = [model.settle(one.usage_id, one.credits) for model, one in calls]
        self.compare("settle", [answer.kind for answer in holds.settle([charge(one, one.credits) for _, one in calls])], expected)

    def release(self) -> None:
        calls = self.some()[:4]
        expected = [model.release(one.usage_id) for model, one in calls]
        self.compare("release", [answer.kind for answer in holds.release([giving_back(one) for _, one in calls])], expected)

    def move(self) -> None:
        calls = self.some()
        expected = [model.move(one.usage_id, one.credits) for model, one in calls]
        self.compare("move", [answer.kind for answer in holds.move([moving(one, one.credits) for _, one in calls])], expected)

    def refund(self) -> None:
        for model, one in self.some():
            if one.usage_id in model.calls and one.credits:
                reference = f"refund:{uuid.uuid4()}"
                entry = refunds.refund(one.usage_id, credits=one.credits, reference=reference)
                assert (entry and entry.amount) == model.refund(one.usage_id, one.credits, reference)

    def change_a_cap(self) -> None:
        self.set_cap(self.rng.randint(0, 1), self.rng.randint(0, 1), self.rng.choice(WINDOWS))

    def some_days_pass(self) -> None:
        days = self.rng.choice([1, 1, 3, 7, 31])
        for wallet, model in zip(self.wallets, self.models, strict=True):
            days_pass(wallet, days, model=model)

    def compare(self, what: str, found: list[str], expected: list[str], capped: list[bool] | None = None) -> None:
        SEEN.update(f"{what} {kind}" for kind in found)
        for one, other, may_differ in zip(found, expected, capped or [False] * len(found), strict=True):
            assert one == other or (may_differ and {one, other} <= WAIT), (what, found, expected)

    def compare_books(self) -> None:
        for wallet, model in zip(self.wallets, self.models, strict=True):
            wallet.refresh_from_db()
            assert (wallet.balance, wallet.held, wallet.in_flight) == (model.balance, sum(model.running), len(model.running))
            for cap in Cap.objects.filter(wallet=wallet):
                expected = model.caps[cap.budget_id][cap.window]
                assert (cap.limit_credits, cap.period) == (expected.limit, expected.period)
                assert (cap.spent, cap.held) == (model.spent(cap.budget_id, cap.period), model.held(cap.budget_id, cap.period))


@pytest.mark.django_db
def test_a_batch_is_its_rows_one_after_another():
    first = random.SystemRandom().randrange(10**6)
    for seed in range(first, first + 10 * STORIES):
        if seed >= first + STORIES and set(SEEN) >= TOLD:
            break
        print(f"story {seed}")
        story = Story(seed)
        steps = [story.place] * 4 + [story.settle] * 2 + [story.move, story.release, story.refund, story.change_a_cap, story.some_days_pass]
        for _ in range(14):
            story.rng.choice(steps)()
            story.compare_books()
        wallet_ids = {wallet.pk for wallet in story.wallets}
        assert [difference for difference in audit() if difference.wallet_id in wallet_ids] == []
    # It has told what it was made for
    assert set(SEEN) >= TOLD
