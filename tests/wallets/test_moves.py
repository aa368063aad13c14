"""A hold that becomes another model's: at once, for as much as the wallet carries, and not after its call has ended."""

from decimal import Decimal

import pytest

from tests.factories import WalletFactory
from tests.wallets.calls import charge, giving_back, hold, moving, now
from wallets import holds
from wallets.models import UsageRecord

pytestmark = pytest.mark.usefixtures("clean_books")


def kinds(answers):
    return [answer.kind for answer in answers]


@pytest.fixture
def wallet():
    return WalletFactory(balance=10)


def placed(wallet, credits):
    one = hold(wallet, credits, model="first", route="a")
    assert kinds(holds.place([one])) == ["held"]
    return one


def test_a_moved_hold_has_the_new_price_model_and_route(wallet):
    one = placed(wallet, 4)
    moved = moving(one, 7, model="second", route="b", credits_per_litellm_usd=Decimal(2000), price_version=5)
    assert holds.move([moved]) == [holds.Verdict("held", Decimal(10), Decimal(7), 1)]
    record = UsageRecord.objects.get(pk=one.usage_id)
    assert (record.hold_credits, record.model, record.route) == (7, "second", "b")
    assert (record.credits_per_litellm_usd, record.price_version, record.status) == (2000, 5, "open")
    assert holds.settle([charge(one, 6, cost_usd=Decimal("0.003"), model="second", route="b")])[0].balance == 4
    assert now(wallet) == (4, 0, 0)


def test_more_than_the_wallet_carries_changes_nothing(wallet):
    one, other = placed(wallet, 4), placed(wallet, 3)
    assert kinds(holds.move([moving(one, 11), moving(one, 8)])) == ["insufficient", "busy"]
    assert now(wallet) == (10, 7, 2)
    holds.release([giving_back(other)])
    assert kinds(holds.move([moving(one, 8)])) == ["held"]
    assert now(wallet) == (10, 8, 1)


def test_a_smaller_hold_is_always_carried(wallet):
    """Also by a wallet that another call's charge has taken below what is held."""
    one, dear = placed(wallet, 5), placed(wallet, 5)
    holds.settle([charge(dear, 9)])
    assert now(wallet) == (1, 5, 1)
    assert kinds(holds.move([moving(one, 4)])) == ["held"]
    assert now(wallet) == (1, 4, 1)
    assert kinds(holds.move([moving(one, "4.0001")])) == ["insufficient"]


def test_the_same_move_again_is_the_same_verdict(wallet):
    one = placed(wallet, 4)
    moved = moving(one, 9)
    assert kinds(holds.move([moved, moved])) == ["held", "held"]
    assert kinds(holds.move([moved])) == ["held"]
    assert now(wallet) == (10, 9, 1)


def test_what_one_gives_back_the_next_in_the_batch_may_need(wallet):
    one, other = placed(wallet, 6), placed(wallet, 4)
    assert kinds(holds.move([moving(one, 1), moving(other, 9), moving(one, 2)])) == ["held", "held", "busy"]
    assert now(wallet) == (10, 10, 2)


@pytest.mark.parametrize("ended", ["charged", "released", "never placed", "another wallet's"])
def test_a_call_that_has_ended_is_not_moved(wallet, ended):
    one = hold(wallet, 4) if ended == "never placed" else placed(wallet, 4)
    if ended == "charged":
        holds.settle([charge(one, 4)])
    if ended == "released":
        holds.release([giving_back(one)])
    before = now(wallet)
    moved = moving(one, 1) if ended != "another wallet's" else moving(hold(WalletFactory(balance=9), 1, usage_id=one.usage_id), 1)
    assert kinds(holds.move([moved])) == ["closed"]
    assert now(wallet) == before


def test_what_is_no_amount_can_not_be_held():
    with pytest.raises(ValueError, match="no hold"):
        moving(hold(1, 1), "-1")
