"""An Idempotency-Key goes with the money: in with the hold, answered with the charge, out with a release."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db.models import F

from tests.factories import WalletFactory
from tests.wallets.calls import charge, giving_back, hold, now
from tests.wallets.test_races import ask, at_once
from wallets import holds, statements
from wallets.holds import Reservation
from wallets.models import IdempotencyKey

pytestmark = pytest.mark.usefixtures("clean_books")
KEY, OTHER = Reservation("d" * 64, "a" * 64), Reservation("d" * 64, "b" * 64)


def kinds(answers):
    return [answer.kind for answer in answers]


@pytest.fixture
def wallet():
    return WalletFactory(balance=10)


def test_it_comes_with_the_hold_and_is_answered_with_the_charge(wallet):
    one = hold(wallet, 3, reservation=KEY)
    assert kinds(holds.place([one])) == ["held"]
    row = IdempotencyKey.objects.get(wallet=wallet)
    assert (row.digest, row.fingerprint, row.usage_id, row.process_id, row.answer) == ("d" * 64, "a" * 64, one.usage_id, "tests", None)
    assert row.expires_at - row.created_at == timedelta(hours=24)
    assert kinds(holds.settle([charge(one, 2, answer=b"\x00sealed\xff")])) == ["charged"]
    row.refresh_from_db()
    assert bytes(row.answer) == b"\x00sealed\xff"


def test_another_call_with_it_is_told_how_the_first_one_stands(wallet):
    one = hold(wallet, 3, reservation=KEY)
    holds.place([one])
    assert kinds(holds.place([hold(wallet, 3, reservation=KEY), hold(wallet, 3, reservation=OTHER)])) == ["in_progress", "conflict"]
    holds.settle([charge(one, 2, answer=b"sealed")])
    assert kinds(holds.place([hold(wallet, 3, reservation=KEY), hold(wallet, 3, reservation=OTHER)])) == ["replay", "conflict"]
    assert now(wallet) == (8, 0, 0)


def test_a_replay_needs_no_balance(wallet):
    one = hold(wallet, 10, reservation=KEY)
    holds.place([one])
    holds.settle([charge(one, 10, answer=b"sealed")])
    assert kinds(holds.place([hold(wallet, 3, reservation=KEY), hold(wallet, 3)])) == ["replay", "insufficient"]


def test_a_released_call_leaves_nothing_of_it(wallet):
    one = hold(wallet, 3, reservation=KEY)
    holds.place([one])
    holds.release([giving_back(one)])
    assert not IdempotencyKey.objects.filter(wallet=wallet).exists()
    assert kinds(holds.place([hold(wallet, 3, reservation=OTHER)])) == ["held"]


def test_a_refused_hold_reserves_nothing(wallet):
    assert kinds(holds.place([hold(wallet, 11, reservation=KEY)])) == ["insufficient"]
    assert not IdempotencyKey.objects.filter(wallet=wallet).exists()


def test_of_several_at_once_the_first_runs(wallet):
    batch = [hold(wallet, 8, reservation=KEY), hold(wallet, 8, reservation=KEY), hold(wallet, 1, reservation=OTHER), hold(wallet, 2)]
    assert kinds(holds.place(batch)) == ["held", "in_progress", "conflict", "held"]
    assert now(wallet) == (10, 10, 2)


def test_of_several_at_once_a_refused_first_leaves_it_to_the_next(wallet):
    assert kinds(holds.place([hold(wallet, 11, reservation=KEY), hold(wallet, 10, reservation=KEY)])) == ["insufficient", "held"]
    assert now(wallet) == (10, 10, 1)


def test_the_same_hold_again_is_the_same_verdict(wallet):
    one = hold(wallet, 3, reservation=KEY)
    assert kinds(holds.place([one, one])) == ["held", "held"]
    assert kinds(holds.place([one])) == ["held"]
    holds.settle([charge(one, 3, answer=b"first")])
    holds.settle([charge(one, 3, answer=b"second")])
    assert bytes(IdempotencyKey.objects.get(wallet=wallet).answer) == b"first"
    assert now(wallet) == (7, 0, 0)


def test_past_its_time_it_stands_for_nothing(wallet):
    one = hold(wallet, 3, reservation=KEY)
    holds.place([one])
    holds.settle([charge(one, 2, answer=b"sealed")])
    day = timedelta(hours=24)
    IdempotencyKey.objects.filter(wallet=wallet).update(created_at=F("created_at") - day, expires_at=F("expires_at") - day)
    again = hold(wallet, 3, reservation=OTHER)
    assert kinds(holds.place([again])) == ["held"]
    row = IdempotencyKey.objects.get(wallet=wallet)
    assert (row.usage_id, row.fingerprint, row.answer) == (again.usage_id, "b" * 64, None)


def test_wallets_do_not_share_keys(wallet):
    other = WalletFactory(balance=10)
    assert kinds(holds.place([hold(wallet, 1, reservation=KEY), hold(other, 1, reservation=OTHER)])) == ["held", "held"]


def test_with_one_key_eight_connections_run_one_call(connect):
    wallet = WalletFactory(balance=1000)
    counted = at_once(
        connect, lambda connection, rng: Counter(ask(connection, statements.PLACE, [hold(wallet, 1, reservation=KEY) for _ in range(6)]))
    )
    assert counted == {"held": 1, "in_progress": 47}
    assert now(wallet) == (1000, 1, 1)


def test_a_locked_wallet_still_tells_of_its_keys(wallet, connect):
    one = hold(wallet, 3, reservation=KEY)
    holds.place([one])
    locker, asker = connect(), connect()
    with locker.transaction():
        locker.execute("select from wallets_wallet where id = %s for update", [wallet.pk])
        rows = [hold(wallet, 1, reservation=OTHER), hold(wallet, 1), hold(2**40, 1)]
        parameters = statements.PLACE_SKIP_LOCKED.parameters(rows)
        answers = asker.execute(statements.PLACE_SKIP_LOCKED.text, parameters).fetchall()
    assert [answer[1] for answer in answers] == ["conflict", "locked", "unknown_wallet"]
