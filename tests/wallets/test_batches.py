"""Random batches of holds, charges and releases equal handling one after another, as ten lines of Python do it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import WalletFactory
from tests.wallets.calls import charge, giving_back, hold, new_id
from tests.wallets.model import Model
from wallets import holds
from wallets.audit import audit
from wallets.models import LedgerEntry

credits = st.decimals(min_value=0, max_value=12, places=4) | st.integers(0, 6).map(Decimal)
# (which wallet, which of its calls, credits): few calls, so that they come again
rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 15), credits), min_size=1, max_size=12)
batches = st.lists(st.tuples(st.sampled_from(["place", "place", "settle", "release"]), rows), max_size=6)
wallets = st.tuples(st.integers(0, 30).map(Decimal), st.integers(0, 8))


@pytest.mark.django_db
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wallets=st.tuples(wallets, wallets), batches=batches)
def test_a_batch_is_its_rows_one_after_another(wallets, batches):
    made = [WalletFactory(balance=balance, max_in_flight=most) for balance, most in wallets]
    models = [Model(balance, most) for balance, most in wallets]
    asked: dict[str, Decimal] = {}
    ids = [[new_id() for _ in range(16)] for _ in made]
    asked: dict[tuple[int, int], Decimal] = {}  # a hold that comes again is the same hold

    for what, batch in batches:
        if what == "place":
            batch = [(which, call, asked.setdefault((which, call), amount)) for which, call, amount in batch]
        calls = [(models[which], hold(made[which], amount, usage_id=ids[which][call])) for which, call, amount in batch]
        if what == "place":
            # A hold that comes again asks for the same amount: the one its call was first drawn with
            calls = [(model, replace(one, credits=asked.setdefault(one.usage_id, one.credits))) for model, one in calls]
            expected = [model.place(one.usage_id, one.credits) for model, one in calls]
            answers = holds.place([one for _, one in calls])
        elif what == "settle":
            expected = [model.settle(one.usage_id, one.credits) for model, one in calls]
            answers = holds.settle([charge(one, one.credits) for _, one in calls])
        else:
            expected = [model.release(one.usage_id) for model, one in calls]
            answers = holds.release([giving_back(one) for _, one in calls])
        assert [answer.kind for answer in answers] == expected

    for wallet, model in zip(made, models, strict=True):
        wallet.refresh_from_db()
        assert (wallet.balance, wallet.held, wallet.in_flight) == (model.balance, sum(model.running), len(model.running))
        entries = LedgerEntry.objects.filter(wallet=wallet, kind="charge").order_by("seq")
        assert [-entry.amount for entry in entries] == model.charges
    assert [difference for difference in audit() if difference.wallet_id in {wallet.pk for wallet in made}] == []
