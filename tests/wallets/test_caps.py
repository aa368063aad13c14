"""Spend caps of keys: what they refuse, what counts against them, and that no change of them forgives anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from accounts.models import Event
from tests.factories import StaffFactory, WalletFactory
from tests.wallets.calls import charge, giving_back, hold, moving, now
from tests.wallets.days import days_pass
from tests.wallets.model import began
from wallets import budgets, holds
from wallets.audit import audit
from wallets.budgets import caps_of, join_budget, set_caps
from wallets.models import Cap
from wallets.refunds import refund
from wallets.sweeper import sweep

pytestmark = pytest.mark.django_db


@pytest.fixture
def wallet():
    wallet = WalletFactory(balance=1000)
    yield wallet
    assert [difference for difference in audit() if difference.wallet_id == wallet.pk] == []


def cap(wallet, key_id=None, **limits):
    given = {window: None if limit is None else Decimal(limit) for window, limit in limits.items()}
    set_caps(wallet, key_id=key_id or wallet.pk, limits=given, actor=None)


def call(wallet, credits, **fields):
    """A hold with the wallet's key."""
    return hold(wallet, credits, **{"key_id": wallet.pk, **fields})


def kinds(answers):
    return [answer.kind for answer in answers]


def charged(wallet, credits, **fields):
    one = call(wallet, credits, **fields)
    assert kinds(holds.place([one])) == ["held"]
    assert kinds(holds.settle([charge(one, credits)])) == ["charged"]
    return one


def standing(wallet, window="day", *, key_id=None):
    """Spent and held of the cap, now."""
    (found,) = [one for one in caps_of([key_id or wallet.pk])[key_id or wallet.pk] if one.window == window]
    return found.spent_credits, found.held_credits


class TestHold:
    def test_what_is_spent_and_held_counts(self, wallet):
        cap(wallet, day=10)
        charged(wallet, 4)
        batch = [call(wallet, 5), call(wallet, 2), call(wallet, 7), call(wallet, 1), call(wallet, "0.0001")]
        assert kinds(holds.place(batch)) == ["held", "cap_busy", "capped", "held", "cap_busy"]
        assert standing(wallet) == (4, 6)

    def test_the_last_credit_can_be_spent(self, wallet):
        cap(wallet, day="0.0003")
        assert kinds(holds.place([call(wallet, "0.0001") for _ in range(4)])) == ["held"] * 3 + ["cap_busy"]

    def test_other_keys_and_calls_without_one_do_not_count(self, wallet):
        cap(wallet, day=5)
        assert kinds(holds.place([call(wallet, 5), call(wallet, 9, key_id=1), hold(wallet, 9), call(wallet, 1)])) == [
            "held",
            "held",
            "held",
            "cap_busy",
        ]

    def test_a_refused_row_takes_nobodys_place(self, wallet):
        cap(wallet, day=5)
        cap(wallet, key_id=1, day=5)
        batch = [call(wallet, 3), call(wallet, 3), call(wallet, 5, key_id=1), call(wallet, 2), hold(wallet, 992)]
        assert kinds(holds.place(batch)) == ["held", "cap_busy", "held", "held", "busy"]

    def test_the_wallets_own_402_comes_first(self):
        wallet = WalletFactory(balance=3)
        cap(wallet, day=1)
        assert kinds(holds.place([call(wallet, 4), call(wallet, 2)])) == ["insufficient", "capped"]

    def test_of_several_caps_the_one_that_stands_longest_is_named(self, wallet):
        cap(wallet, day=5, week=9, month=7)
        (verdict,) = holds.place([call(wallet, 6)])
        today = began("day", datetime.now(UTC))
        assert verdict.kind == "capped"
        assert verdict.cap == holds.UsedUpCap(Decimal(5), "day", today + timedelta(days=1))
        cap(wallet, total=5)
        assert holds.place([call(wallet, 6)])[0].cap == holds.UsedUpCap(Decimal(5), "total", None)
        assert holds.place([call(wallet, 5)])[0].cap is None

    def test_a_limit_of_nothing_refuses_all_that_may_cost_something(self, wallet):
        cap(wallet, total=0)
        assert kinds(holds.place([call(wallet, "0.0001"), call(wallet, 0)])) == ["capped", "held"]

    def test_a_replay_touches_no_cap(self, wallet):
        key = holds.Reservation("d" * 64, "a" * 64)
        cap(wallet, day=5)
        one = call(wallet, 5, reservation=key)
        holds.place([one])
        holds.settle([charge(one, 5, answer=b"sealed")])
        assert kinds(holds.place([call(wallet, 3, reservation=key), call(wallet, 3)])) == ["replay", "capped"]
        assert standing(wallet) == (5, 0)

    def test_the_same_hold_again_counts_once(self, wallet):
        cap(wallet, day=5)
        one = call(wallet, 3)
        assert kinds(holds.place([one, one])) == kinds(holds.place([one, one])) == ["held", "held"]
        assert standing(wallet) == (0, 3)


class TestEnd:
    def test_a_charge_takes_the_place_of_its_hold(self, wallet):
        cap(wallet, day=10)
        one = call(wallet, 8)
        holds.place([one])
        holds.settle([charge(one, 3), charge(one, 3)])
        assert standing(wallet) == (3, 0)

    def test_a_charge_may_bring_a_cap_above_its_limit(self, wallet):
        cap(wallet, day=10)
        one = call(wallet, 8)
        holds.place([one])
        holds.settle([charge(one, 12)])
        assert standing(wallet) == (12, 0)
        assert kinds(holds.place([call(wallet, 0)])) == ["capped"]

    def test_a_release_gives_the_hold_back(self, wallet):
        cap(wallet, day=10)
        one = call(wallet, 8)
        holds.place([one])
        holds.release([giving_back(one)])
        assert standing(wallet) == (0, 0)
        assert kinds(holds.place([call(wallet, 10)])) == ["held"]

    def test_what_a_process_held_that_died_comes_back(self, wallet):
        cap(wallet, day=10)
        gone = f"gone-{wallet.pk}"
        with connection.cursor() as cursor:
            cursor.execute("insert into wallets_process (id, seen_at) values (%s, now() - interval '1 hour')", [gone])
        holds.place([call(wallet, 8, process_id=gone)])
        sweep(gone_seconds=0.01)
        assert standing(wallet) == (0, 0)

    def test_a_refund_gives_back(self, wallet):
        cap(wallet, day=10)
        one = charged(wallet, 8)
        refund(one.usage_id, credits=Decimal(5), reference=f"refund:a:{wallet.pk}")
        refund(one.usage_id, credits=Decimal(5), reference=f"refund:a:{wallet.pk}")
        assert standing(wallet) == (3, 0)
        refund(one.usage_id, credits=Decimal(5), reference=f"refund:b:{wallet.pk}")
        assert standing(wallet) == (0, 0)

    def test_a_moved_hold_counts_as_it_is(self, wallet):
        cap(wallet, day=10)
        one, other = call(wallet, 4), call(wallet, 2)
        holds.place([one, other])
        assert kinds(holds.move([moving(one, 8)])) == ["held"]
        assert kinds(holds.move([moving(one, 11), moving(one, 9), moving(one, 3)])) == ["capped", "cap_busy", "held"]
        assert standing(wallet) == (0, 5)


class TestPeriods:
    @pytest.mark.parametrize(("window", "days"), [("day", 1), ("week", 7), ("month", 31)])
    def test_a_new_period_starts_over(self, wallet, window, days):
        cap(wallet, **{window: 10}, total=100)
        charged(wallet, 9)
        assert kinds(holds.place([call(wallet, 2)])) == ["capped"]
        days_pass(wallet, days)
        assert standing(wallet, window) == (0, 0)
        assert kinds(holds.place([call(wallet, 10)])) == ["held"]
        assert standing(wallet, window) == (0, 10)
        assert standing(wallet, "total") == (9, 10)

    def test_a_call_over_a_months_end_counts_where_it_began(self, wallet):
        cap(wallet, month=10)
        one, other = call(wallet, 6), call(wallet, 2)
        holds.place([one, other])
        days_pass(wallet, 31)
        holds.settle([charge(other, 1)])  # before the month's first call
        assert Cap.objects.get(wallet=wallet).spent == 1
        assert kinds(holds.place([call(wallet, 8)])) == ["held"]
        assert kinds(holds.move([moving(one, 900)])) == ["held"]
        holds.settle([charge(one, 5)])
        assert standing(wallet, "month") == (0, 8)
        refund(one.usage_id, credits=Decimal(5), reference=f"refund:{wallet.pk}")
        assert standing(wallet, "month") == (0, 8)

    def test_a_refusal_begins_no_period(self, wallet):
        cap(wallet, day=10)
        one = charged(wallet, 9)
        days_pass(wallet, 1)
        before = Cap.objects.get(wallet=wallet).period
        assert kinds(holds.place([call(wallet, 11)])) == ["capped"]
        assert Cap.objects.get(wallet=wallet).period == before
        refund(one.usage_id, credits=Decimal(9), reference=f"refund:{wallet.pk}")

    def test_a_call_that_was_asked_for_before_a_period_began_and_held_after_it_is_of_that_period(self, wallet):
        """The statement waited for the wallet over midnight, while another one began the day."""
        cap(wallet, day=10)
        tomorrow = began("day", datetime.now(UTC)) + timedelta(days=1)
        Cap.objects.filter(wallet=wallet).update(period=tomorrow)
        one = call(wallet, 6)
        assert kinds(holds.place([one, call(wallet, 6)])) == ["held", "cap_busy"]
        assert Cap.objects.get(wallet=wallet).held == 6
        holds.settle([charge(one, 6)])
        assert Cap.objects.get(wallet=wallet).spent == 6


class TestChanges:
    def test_a_cap_begins_with_what_the_period_has_cost(self, wallet):
        charged(wallet, 4)
        days_pass(wallet, 31)
        paid = charged(wallet, 3)
        refund(paid.usage_id, credits=Decimal(1), reference=f"refund:{wallet.pk}")
        running = call(wallet, 5)
        holds.place([running])
        cap(wallet, day=10, total=100)
        assert (standing(wallet), standing(wallet, "total")) == ((2, 5), (6, 5))
        holds.settle([charge(running, 5)])
        assert standing(wallet) == (7, 0)

    def test_removed_and_set_again_it_forgives_nothing(self, wallet):
        cap(wallet, day=10)
        charged(wallet, 8)
        cap(wallet, day=None)
        assert caps_of([wallet.pk]) == {}
        charged(wallet, 5)
        cap(wallet, day=20)
        assert standing(wallet) == (13, 0)

    def test_a_limit_below_what_is_spent_refuses_the_next_call(self, wallet):
        cap(wallet, day=10)
        running = call(wallet, 2)
        charged(wallet, 8)
        holds.place([running])
        cap(wallet, day=3)
        assert kinds(holds.place([call(wallet, 1)])) == ["capped"]
        holds.settle([charge(running, 2)])
        assert standing(wallet) == (10, 0)
        cap(wallet, day=12)
        assert kinds(holds.place([call(wallet, 2)])) == ["held"]

    def test_a_cap_removed_while_calls_run_lets_them_end(self, wallet):
        cap(wallet, day=10)
        running = call(wallet, 8)
        holds.place([running])
        cap(wallet, day=None)
        holds.settle([charge(running, 8)])
        assert now(wallet) == (992, 0, 0)

    def test_windows_that_are_not_named_stay(self, wallet):
        cap(wallet, day=10, week=20)
        cap(wallet, day=11)
        assert [(one.window, one.limit_credits) for one in caps_of([wallet.pk])[wallet.pk]] == [("day", 11), ("week", 20)]

    def test_who_changed_what_is_written_down(self, wallet):
        staff = StaffFactory()
        set_caps(wallet, key_id=5, limits={"day": Decimal(10), "week": None}, actor=staff)
        set_caps(wallet, key_id=5, limits={"day": Decimal(10)}, actor=staff)
        (event,) = Event.objects.filter(account=wallet.account, kind="key.caps_changed")
        assert (event.actor, event.data) == (staff, {"key_id": 5, "limits": {"day": "10.0000"}})

    @pytest.mark.parametrize("limits", [{"year": Decimal(1)}, {"day": Decimal(-1)}, {"day": Decimal("0.00001")}, {"day": Decimal("NaN")}])
    def test_what_is_no_cap_is_refused(self, wallet, limits):
        with pytest.raises(ValueError, match="no cap"):
            set_caps(wallet, key_id=5, limits=limits, actor=None)

    def test_a_key_that_replaces_another_spends_of_the_same_caps(self, wallet):
        cap(wallet, day=10)
        charged(wallet, 4)
        join_budget(wallet, key_id=7, replaces_key_id=wallet.pk)
        join_budget(wallet, key_id=7, replaces_key_id=wallet.pk)
        join_budget(wallet, key_id=8, replaces_key_id=7)
        batch = [call(wallet, 3, key_id=7), call(wallet, 2), call(wallet, 2, key_id=8), call(wallet, 1, key_id=8)]
        assert kinds(holds.place(batch)) == ["held", "held", "cap_busy", "held"]
        assert standing(wallet) == standing(wallet, key_id=7) == standing(wallet, key_id=8) == (4, 6)
        set_caps(wallet, key_id=8, limits={"day": None, "week": Decimal(9)}, actor=None)
        assert standing(wallet, "week") == (4, 6)
        assert kinds(holds.place([call(wallet, 1), call(wallet, 6)])) == ["cap_busy", "capped"]

    def test_a_key_that_has_made_calls_replaces_none(self, wallet):
        cap(wallet, day=10)
        charged(wallet, 4, key_id=7)
        with pytest.raises(ValueError, match="has made calls"):
            join_budget(wallet, key_id=7, replaces_key_id=wallet.pk)


def test_a_bar_shows_what_is_spent_of_the_limit(wallet):
    cap(wallet, day=8)
    cap(wallet, key_id=1, day=0)
    charged(wallet, 2)
    found = caps_of([wallet.pk, 1, 2])
    assert found.keys() == {wallet.pk, 1}
    assert (found[wallet.pk][0].fraction, found[1][0].fraction) == (Decimal("0.25"), 1)


def test_refunds_of_calls_without_a_key_touch_no_cap(wallet):
    one = charged(wallet, 2, key_id=None)
    assert refund(one.usage_id, credits=Decimal(2), reference=f"refund:{wallet.pk}") is not None
    assert budgets.caps_of([wallet.pk]) == {}
