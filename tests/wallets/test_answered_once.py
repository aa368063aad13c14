"""An Idempotency-Key of a write that is not billed: it is done once, and answered again."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F

from contract.errors import ApiError
from tests.factories import WalletFactory
from wallets import idempotency
from wallets.answered_once import Answer, answer_once
from wallets.audit import audit
from wallets.models import IdempotencyKey, Wallet

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def wallet() -> Wallet:
    made: Wallet = WalletFactory(balance=0)
    return made


class Write:
    """A write to look at: it counts, and leaves a row of its own."""

    def __init__(self, wallet: Wallet, *, key: str | None = "mine") -> None:
        self.wallet = wallet
        self.key = key
        self.runs = 0

    def run(self) -> Answer:
        self.runs += 1
        Wallet.objects.filter(pk=self.wallet.pk).update(max_in_flight=F("max_in_flight") + 1)
        return Answer(202, b'{"n": %d}' % self.runs)

    def ask(self, *, body: bytes = b"{}", path: str = "/v1/tasks/tsk_1/cancel", run: Any = None) -> Answer:
        return answer_once(run or self.run, wallet_id=self.wallet.pk, key=self.key, method="POST", path=path, body=body)

    @property
    def written(self) -> int:
        self.wallet.refresh_from_db()
        return self.wallet.max_in_flight - 64


def test_a_retry_gets_the_first_answer_and_writes_nothing(wallet: Wallet):
    write = Write(wallet)
    first, again = write.ask(), write.ask()
    assert (first.status, first.body, first.replayed) == (202, b'{"n": 1}', False)
    assert (again.status, again.body, again.replayed) == (202, b'{"n": 1}', True)
    assert write.written == 1
    assert again.response.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.response.headers
    assert [one for one in audit() if one.wallet_id == wallet.pk] == []


def test_an_answer_may_be_empty(wallet: Wallet):
    write = Write(wallet)
    assert [write.ask(run=lambda: Answer(204)).body for _ in range(2)] == [b"", b""]


def test_without_a_key_every_request_runs(wallet: Wallet):
    write = Write(wallet, key=None)
    assert [write.ask().replayed, write.ask().replayed] == [False, False]
    assert write.written == 2
    assert not IdempotencyKey.objects.filter(wallet=wallet).exists()


def test_another_body_is_a_conflict(wallet: Wallet):
    write = Write(wallet)
    write.ask()
    with pytest.raises(ApiError) as refusal:
        write.ask(body=b'{"reason":"other"}')
    assert refusal.value.code == "idempotency_conflict"
    assert write.written == 1


def test_another_path_is_another_request(wallet: Wallet):
    write = Write(wallet)
    write.ask()
    assert not write.ask(path="/v1/tasks/tsk_2/cancel").replayed
    assert write.written == 2


def test_what_fails_is_not_kept_and_its_retry_runs(wallet: Wallet):
    write = Write(wallet)

    def fail() -> Answer:
        write.run()
        raise ApiError("task_already_terminal")

    with pytest.raises(ApiError):
        write.ask(run=fail)
    assert (write.written, IdempotencyKey.objects.filter(wallet=wallet).exists()) == (0, False)
    assert not write.ask().replayed


def test_after_the_window_it_runs_again(wallet: Wallet):
    write = Write(wallet)
    write.ask()
    day = timedelta(days=1)
    IdempotencyKey.objects.filter(wallet=wallet).update(created_at=F("created_at") - day, expires_at=F("expires_at") - day)
    assert write.ask(body=b"another").body == b'{"n": 2}'
    assert write.ask(body=b"another").replayed


def test_the_stored_answer_opens_only_with_the_key(wallet: Wallet):
    write = Write(wallet)
    write.ask()
    row = IdempotencyKey.objects.get(wallet=wallet)
    assert b"202" not in bytes(row.answer or b"")
    IdempotencyKey.objects.filter(pk=row.pk).update(answer=bytes(row.answer or b"")[::-1])
    with pytest.raises(ApiError) as refusal:
        write.ask()
    assert refusal.value.code == "idempotency_conflict"
    assert write.written == 1


def test_of_racing_requests_one_runs_and_all_get_its_answer(wallet: Wallet):
    write, together = Write(wallet), threading.Barrier(5)

    def ask(_: int) -> Answer:
        together.wait()
        try:
            return write.ask()
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(ask, range(5)))
    assert {answer.body for answer in answers} == {b'{"n": 1}'}
    assert sorted(answer.replayed for answer in answers) == [False, True, True, True, True]
    assert write.written == 1


def test_while_the_first_one_runs_for_long_the_second_is_told_so(wallet: Wallet):
    write = Write(wallet)

    def ask_again() -> str:
        try:
            write.ask()
        except ApiError as error:
            return error.code
        finally:
            connection.close()
        return "ran"

    with transaction.atomic(), ThreadPoolExecutor(1) as pool:
        write.ask()
        assert pool.submit(ask_again).result() == "idempotency_in_progress"
    assert write.ask().replayed


def test_the_end_of_the_window_erases_it(wallet: Wallet):
    Write(wallet).ask()
    IdempotencyKey.objects.filter(wallet=wallet).update(created_at=F("created_at") - timedelta(days=2), expires_at=F("created_at"))
    idempotency.expire()
    assert not IdempotencyKey.objects.filter(wallet=wallet).exists()
