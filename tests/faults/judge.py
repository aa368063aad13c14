"""The judge at the end of a test: every answer against the books, and the books against themselves."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence

from tests.customer import Customer
from tests.faults.load import Load
from wallets.audit import audit
from wallets.models import LedgerEntry, UsageRecord

SETTLED_SECONDS = 60


def wait_until_settled(owners: Sequence[Customer], *, seconds: float = SETTLED_SECONDS) -> None:
    """Nothing is held, and no call counted as running, within `seconds`."""
    deadline = time.monotonic() + seconds
    while open_records := list(UsageRecord.objects.filter(wallet__account__in=[owner.account for owner in owners], status="open")):
        assert time.monotonic() < deadline, f"still open: {[(record.pk, record.process_id) for record in open_records]}"
        time.sleep(0.1)
    for owner in owners:
        assert (owner.wallet.held, owner.wallet.in_flight) == (0, 0)


def assert_books(owners: Iterable[Customer]) -> None:
    """The audit finds nothing in these wallets, and each balance is what was put in less what was charged."""
    wallets = {owner.wallet.pk for owner in owners}
    assert [difference for difference in audit() if difference.wallet_id in wallets] == []
    for wallet in wallets:
        entries = LedgerEntry.objects.filter(wallet_id=wallet)
        put_in = sum(entry.amount for entry in entries if entry.kind != "charge")
        charged = sum(record.charged_credits for record in UsageRecord.objects.filter(wallet_id=wallet))
        assert entries.latest("seq").balance_after == put_in - charged


def judge(load: Load) -> None:
    """Every logical call was answered, and charged once: the answer's id and credits are the record's. Nothing else was charged."""
    wait_until_settled(load.owners)
    assert [(call.name, call.refusal) for call in load.calls if call.refusal] == []
    records: dict[str, list[UsageRecord]] = defaultdict(list)
    for owner in load.owners:
        for record in owner.records:
            records[record.metadata["call"]].append(record)
    for call in load.calls:
        charged = [record for record in records[call.name] if record.status == "charged"]
        if call.id is None:
            assert len(charged) <= 1, f"{call.name} was charged {len(charged)} times"
        else:
            assert [(record.id, str(record.charged_credits)) for record in charged] == [(call.id, call.credits)], call
            assert charged[0].charged_credits > 0
    assert records.keys() <= {call.name for call in load.calls}
    assert [call.name for call in load.calls if call.id is None] == [], f"not answered in time: {load.outcomes}"
    assert_books(load.owners)
