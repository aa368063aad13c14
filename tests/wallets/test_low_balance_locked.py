"""A wallet that is locked holds up no mail about the balance of another."""

from __future__ import annotations

import pytest

from accounts.models import Notice
from tests.wallets.test_low_balance import told, watched

pytestmark = pytest.mark.usefixtures("clean_books")


def test_a_wallet_that_is_locked_is_looked_at_later_and_the_others_now(connect):
    locked, free = (watched(balance=1, below=5) for _ in range(2))
    other = connect()
    with other.transaction():
        other.execute("select 1 from wallets_wallet where id = %s for update", [locked.pk])
        assert told(free) == 1
        assert not Notice.objects.filter(account=locked.account).exists()
    assert (told(locked), told(free)) == (1, 1)
