"""A call that has been held for runs to its charge, or to nothing: whoever leaves, and whatever dies."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from decimal import Decimal
from typing import Any, cast

import httpx
import pytest
from django.db.models import F

from chat import api
from tests.contract.wire import connect, error_of, eventually, head, read_answer
from tests.customer import Customer
from tests.gate import Gate, assert_nothing_held, calling, closed
from wallets.models import Process
from wallets.sweeper import sweep


def test_a_caller_who_hangs_up_pays_for_the_finished_answer(site: Any, customer: Callable[..., Customer], gate: Gate):
    owner = customer()
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{owner.v1}/chat/completions",
            headers={**owner.headers, "X-Request-Id": gate.name},
            json={"model": "MiniMax-M2.7", "messages": [{"role": "user", "content": gate.text}]},
            timeout=httpx.Timeout(30, read=1),
        )
    gate.wait()
    assert owner.wallet.in_flight == 1
    # The server learns of it by the closed connection, not by us.
    assert eventually(lambda: any(gate.name in line and '"status":499' in line for line in site.web.log.splitlines()))
    gate.open()
    record = closed(owner)
    assert (record.status, record.clause, record.estimated) == ("charged", "drained", False)
    assert record.charged_credits > 0
    assert owner.wallet.balance == 1000 - record.charged_credits
    assert_nothing_held(owner)


def test_while_a_call_runs_its_hold_is_not_available(customer: Callable[..., Customer], gate: Gate):
    owner = customer()
    with calling(owner, gate.text) as outcome:
        gate.wait()
        wallet = owner.wallet
        assert (wallet.balance, wallet.in_flight) == (1000, 1)
        assert wallet.held == owner.record.hold_credits > 0
        gate.open()
    assert outcome[0].status_code == 200
    assert_nothing_held(owner)


def test_a_shutdown_waits_for_the_calls_in_flight(site: Any, customer: Callable[..., Customer], gate: Gate):
    web = site.start_web()
    owner = customer()
    owner.v1 = web.v1
    with calling(owner, gate.text) as outcome:
        gate.wait()
        stopping = threading.Thread(target=web.stop)
        stopping.start()
        time.sleep(1)
        gate.open()
    stopping.join()
    assert outcome[0].status_code == 200
    assert (owner.record.status, owner.record.clause) == ("charged", "complete")
    assert_nothing_held(owner)


def test_a_shutdown_does_not_wait_for_ever(site: Any, customer: Callable[..., Customer], gate: Gate):
    web = site.start_web({"DRAIN_SECONDS": "1"})
    owner = customer()
    owner.v1 = web.v1
    with calling(owner, gate.text) as outcome:
        gate.wait()
        web.stop()
    gate.open()
    assert (outcome[0].status_code, outcome[0].json()["error"]["code"]) == (503, "service_unavailable")
    record = owner.record
    assert (record.status, record.clause, record.charged_credits) == ("released", "lost", 0)
    assert_nothing_held(owner)


def test_a_call_that_ends_just_as_a_shutdown_stops_waiting_is_answered_and_charged_or_neither(
    site: Any, customer: Callable[..., Customer], gate: Gate
):
    web = site.start_web({"DRAIN_SECONDS": "1"})
    owner = customer(balance="10000")
    owner.v1 = web.v1
    calls = 30
    text = gate.text.replace("[[gate=", "[[gate_at=2 gate=")
    with ExitStack() as under_way:
        # Every other one is a stream, which waits in its midst
        outcomes = [under_way.enter_context(calling(owner, text if n % 2 else gate.text, stream=bool(n % 2))) for n in range(calls)]
        gate.wait(calls)
        stopping = threading.Thread(target=web.stop)
        stopping.start()
        time.sleep(0.6)
        for _ in range(calls):
            httpx.post(f"{gate.url}/release", params={"count": 1})
            time.sleep(random.uniform(0, 0.05))
    stopping.join()
    records = {record.pk: record for record in owner.records}
    assert len(records) == calls
    charged = set()
    for (answer,) in outcomes:
        if is_whole(answer):
            charged.add(id_of(answer))
            continue
        assert '"service_unavailable"' in answer.text, answer.text
    assert charged == {pk for pk, record in records.items() if record.status == "charged"}
    assert {record.clause for record in records.values()} <= {"complete", "cut_by_limit", "lost"}
    assert_nothing_held(owner)


def is_whole(answer: httpx.Response) -> bool:
    """Whether the caller has an answer to the end."""
    streams = answer.headers["content-type"].startswith("text/event-stream")
    return answer.status_code == 200 and (not streams or answer.text.endswith("data: [DONE]\n\n"))


def id_of(answer: httpx.Response) -> str:
    first = answer.text.partition("\n\n")[0].removeprefix("data: ")
    return str(json.loads(first)["id"])


def test_a_shutdown_ends_at_once_when_it_is_told_so_again(site: Any, customer: Callable[..., Customer], gate: Gate):
    """As uvicorn has it: by SIGINT."""
    web = site.start_web({"DRAIN_SECONDS": "600"})
    owner = customer()
    owner.v1 = web.v1
    with calling(owner, gate.text):
        gate.wait()
        os.kill(web.pid, signal.SIGTERM)
        assert eventually(lambda: "calls in flight" in web.log)
        os.kill(web.pid, signal.SIGINT)
        web.process.wait(60)
    gate.open()


def test_a_call_that_comes_after_a_shutdown_has_stopped_waiting_is_refused(site: Any, customer: Callable[..., Customer], gate: Gate):
    """Over a connection whose request had begun before."""
    web = site.start_web({"DRAIN_SECONDS": "1"})
    owner, late = customer(), customer()
    owner.v1 = web.v1
    body = json.dumps({"model": "MiniMax-M2.7", "messages": [{"role": "user", "content": "hi"}]}).encode()
    fields = ["Content-Type: application/json", f"Authorization: Bearer {late.token}", f"Content-Length: {len(body)}"]
    with connect(web.port) as connection:
        connection.sendall(head("POST", "/v1/chat/completions", *fields) + body[:10])
        with calling(owner, gate.text) as outcome:
            gate.wait()
            stopping = threading.Thread(target=web.stop)
            stopping.start()
        assert outcome[0].status_code == 503
        connection.sendall(body[10:])
        answer = read_answer(connection)
    stopping.join()
    gate.open()
    assert (answer.status, error_of(answer)["code"]) == (503, "service_unavailable")
    assert late.records == []


def test_a_process_killed_in_mid_call_costs_the_customer_nothing(site: Any, customer: Callable[..., Customer], gate: Gate):
    web = site.start_web()
    owner = customer()
    owner.v1 = web.v1
    with calling(owner, gate.text) as outcome:
        gate.wait()
        process = owner.record.process_id
        web.kill()
    gate.open()
    assert isinstance(outcome[0], httpx.HTTPError)
    sweep()
    assert owner.record.status == "open", "a process seen a moment ago is not given up"
    Process.objects.filter(pk=process).update(seen_at=F("seen_at") - dt.timedelta(seconds=21))

    def given_up() -> bool:
        sweep(gone_seconds=6)  # the silence counts from PostgreSQL's own start, and the tests' server may be younger than that
        return owner.record.status == "released"

    assert eventually(given_up, seconds=20)
    record = owner.record
    assert (record.status, record.clause, record.charged_credits) == ("released", "lost", 0)
    assert owner.wallet.balance == Decimal(1000)
    assert_nothing_held(owner)


def test_a_leaving_that_an_await_has_kept_to_itself_ends_the_request_all_the_same():
    """As asyncio.wait_for does before Python 3.12, when what it waited for comes at the same moment."""

    async def request() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        await api._answered(cast(Any, None))  # no call is looked at

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(request())
