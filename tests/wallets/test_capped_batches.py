"""Random batches over keys with spend caps equal handling one after another, over days, weeks and months that pass in between."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import WalletFactory
from tests.wallets.calls import charge, giving_back, hold, moving, new_id
from tests.wallets.days import days_pass
from tests.wallets.model import Model
from wallets import budgets, holds, refunds
from wallets.audit import audit
from wallets.models import Cap

credits = st.decimals(min_value=0, max_value=12, places=4) | st.integers(0, 6).map(Decimal)
limits = st.none() | st.integers(0, 25).map(Decimal)
# (which wallet, which of its calls, credits): few calls, so that they come again. Calls 0 to 4 are of the first key, to 9 of the second
rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 15), credits), min_size=1, max_size=12)
batches = st.tuples(st.sampled_from(["place", "place", "place", "settle", "release", "move", "refund"]), rows)
caps = st.tuples(
    st.just("cap"), st.tuples(st.integers(0, 1), st.integers(0, 1), st.sampled_from(["day", "week", "month", "total"]), limits)
)
days = st.tuples(st.just("days"), st.sampled_from([0, 1, 3, 7, 31]))
steps = st.lists(batches | batches | caps | caps | days, max_size=10)
wallets = st.tuples(st.integers(0, 40).map(Decimal), st.integers(2, 12))

# Of several that are told to wait it may be the wallet or the cap that the verdict names
WAIT = {"busy", "too_many", "cap_busy"}


def same(found: Sequence[str], expected: Sequence[str], *, capped: Sequence[bool]) -> bool:
    return all(
        one == other or (may_differ and {one, other} <= WAIT) for one, other, may_differ in zip(found, expected, capped, strict=True)
    )


@pytest.mark.django_db
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(wallets=st.tuples(wallets, wallets), steps=steps)
def test_a_batch_is_its_rows_one_after_another(wallets, steps):
    made = [WalletFactory(balance=balance, max_in_flight=most) for balance, most in wallets]
    models = [Model(balance, most) for balance, most in wallets]
    ids = [[new_id() for _ in range(16)] for _ in made]
    keys = [[wallet.pk * 10, wallet.pk * 10 + 1] for wallet in made]
    asked: dict[str, Decimal] = {}

    def spender(which: int, call: int) -> int | None:
        return keys[which][call // 5] if call < 10 else None

    for what, step in steps:
        if what == "cap":
            which, number, window, limit = step
            budgets.set_caps(made[which], key_id=keys[which][number], limits={window: limit}, actor=None)
            models[which].set_cap(keys[which][number], window, limit)
            continue
        if what == "days":
            for wallet, model in zip(made, models, strict=True):
                days_pass(wallet, step, model=model)
            continue
        calls = [
            (models[which], hold(made[which], amount, usage_id=ids[which][call], key_id=spender(which, call)))
            for which, call, amount in step
        ]
        if what == "place":
            # A hold that comes again asks for the same amount: the one its call was first drawn with
            calls = [
                (model, hold(one.wallet_id, asked.setdefault(one.usage_id, one.credits), usage_id=one.usage_id, key_id=one.key_id))
                for model, one in calls
            ]
            expected = [model.place(one.usage_id, one.credits, spender=one.key_id) for model, one in calls]
            answers = holds.place([one for _, one in calls])
        elif what == "settle":
            expected = [model.settle(one.usage_id, one.credits) for model, one in calls]
            answers = holds.settle([charge(one, one.credits) for _, one in calls])
        elif what == "release":
            expected = [model.release(one.usage_id) for model, one in calls]
            answers = holds.release([giving_back(one) for _, one in calls])
        elif what == "move":
            expected = [model.move(one.usage_id, one.credits) for model, one in calls]
            answers = holds.move([moving(one, one.credits) for _, one in calls])
        else:
            for model, one in calls:
                if one.usage_id in model.calls and one.credits:
                    reference = f"refund:{uuid.uuid4()}"
                    entry = refunds.refund(one.usage_id, credits=one.credits, reference=reference)
                    assert (entry and entry.amount) == model.refund(one.usage_id, one.credits, reference)
            continue
        found = [answer.kind for answer in answers]
        assert same(found, expected, capped=[bool(model.caps.get(one.key_id)) for model, one in calls]), (found, expected)

    for wallet, model in zip(made, models, strict=True):
        wallet.refresh_from_db()
        assert (wallet.balance, wallet.held, wallet.in_flight) == (model.balance, sum(model.running), len(model.running))
        for cap in Cap.objects.filter(wallet=wallet):
            expected = model.caps[cap.budget_id][cap.window]
            assert (cap.limit_credits, cap.period) == (expected.limit, expected.period)
            assert (cap.spent, cap.held) == (model.spent(cap.budget_id, expected.period), model.held(cap.budget_id, expected.period))
    assert [difference for difference in audit() if difference.wallet_id in {wallet.pk for wallet in made}] == []
