"""Streams that our limits end, and callers who leave or never read: what is charged, and what stays behind."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from tests.chat.events import ask_without_reading, opened, parsed, streamed
from tests.contract.wire import eventually
from tests.gate import assert_nothing_held, closed
from wallets.audit import audit

# The answer is more than all buffers hold
UNREAD = {
    "model": "MiniMax-M2.7",
    "messages": [{"role": "user", "content": "[[chunks=90000]] count"}],
    "stream": True,
    "max_tokens": 100_000,
}


@pytest.fixture(scope="module")
def hasty(site) -> Any:
    """A web process whose limits are short."""
    web = site.start_web(
        {"CHAT_KEEP_ALIVE_SECONDS": "0.3", "CHAT_FIRST_OUTPUT_SECONDS": "2", "CHAT_SILENCE_SECONDS": "1", "CHAT_UNREAD_SECONDS": "1"}
    )
    yield web
    web.stop()


def test_a_slow_first_output_is_waited_for_with_keep_alives(hasty, customer, gate):
    owner = customer()
    owner.v1 = hasty.v1
    with opened(owner, gate.text) as response:
        assert response.status_code == 200
        parts = response.iter_text()
        assert next(parts) == ": keep-alive\n\n"
        gate.open()
        rest = "".join(parts)
    assert rest.endswith("data: [DONE]\n\n")


def test_a_failure_after_the_first_keep_alive_is_an_event(hasty, customer):
    owner = customer()
    owner.v1 = hasty.v1
    answer = streamed(owner, "[[latency_ms=700 status=500]]")
    assert (answer.status, answer.done) == (200, False)
    assert answer.comments[0] == "keep-alive"
    assert answer.error is not None
    assert answer.error["code"] == "upstream_error"
    assert owner.record.clause == "upstream_failed"


def test_no_output_in_time_is_a_timeout_that_costs_nothing(hasty, customer):
    owner = customer()
    owner.v1 = hasty.v1
    answer = streamed(owner, "[[stall_ms=forever stall_at=role]]")
    assert answer.error is not None
    assert answer.error["code"] == "upstream_timeout"
    assert (owner.record.status, owner.record.clause) == ("released", "upstream_failed")


def test_silence_after_the_first_output_ends_it_with_length_and_charges_what_came(hasty, customer):
    owner = customer()
    owner.v1 = hasty.v1
    answer = streamed(owner, "[[stall_ms=forever stall_at=3]] Say hi in five words.")
    assert (answer.reasons, answer.done, answer.error) == (["length"], True, None)
    record = owner.record
    assert (record.clause, record.estimated, record.charged_credits > 0) == ("cut_by_limit", True, True)
    assert answer.usage["credits"] == str(record.charged_credits)
    assert_nothing_held(owner)


def test_a_caller_who_does_not_read_is_charged_for_what_came(hasty, customer):
    owner = customer()
    with socket.socket() as caller:
        ask_without_reading(caller, hasty.v1, owner.token, body=UNREAD)
        assert eventually(lambda: owner.records)
        record = closed(owner, seconds=30)
    assert (record.clause, record.estimated) == ("cut_by_limit", True)
    assert 0 < record.completion_tokens < 90_000
    assert_nothing_held(owner)


@pytest.mark.slow
def test_a_caller_who_never_reads_is_let_go_some_time_after_the_call(hasty, customer):
    owner = customer()
    with socket.socket() as caller:
        ask_without_reading(caller, hasty.v1, owner.token, body=UNREAD)
        assert eventually(lambda: owner.records)
        closed(owner, seconds=30)
        time.sleep(7)  # five times the second that this process waits for a reader, and some
        caller.settimeout(30)
        got = b""
        while part := caller.recv(65536):
            got += part
    assert b"data: [DONE]" not in got[-1000:]


def test_a_caller_who_hangs_up_pays_for_the_finished_answer(customer, gate):
    owner = customer()
    with opened(owner, gate.text.replace("[[gate=", "[[gate_at=2 gate=")) as response:
        next(response.iter_bytes())
    gate.wait()
    gate.open()
    record = closed(owner)
    assert (record.status, record.clause, record.estimated) == ("charged", "drained", False)
    assert owner.wallet.balance == 1000 - record.charged_credits
    assert_nothing_held(owner)


def test_a_shutdown_ends_streams_that_take_too_long_and_charges_what_came(site, customer, gate):
    web = site.start_web({"DRAIN_SECONDS": "1"})
    owner = customer()
    owner.v1 = web.v1
    with opened(owner, gate.text.replace("[[gate=", "[[gate_at=2 gate=")) as response:
        gate.wait()
        stopping = threading.Thread(target=web.stop)
        stopping.start()
        response.read()
        stopping.join()
    answer, record = parsed(response), owner.record
    assert (answer.reasons, answer.done) == (["length"], True)
    assert (record.status, record.clause, record.estimated) == ("charged", "cut_by_limit", True)
    assert answer.usage["credits"] == str(record.charged_credits)
    assert answer.usage["completion_tokens"] == record.completion_tokens == 2
    gate.open()
    assert_nothing_held(owner)


def test_the_audit_is_clean_after_all_of_it(site, committed):
    assert audit() == []
