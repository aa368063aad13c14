"""Every line of the charging policy as a story: what happened, what the receipt says of it, what was paid, and what it cost us.

A token of a prompt costs 0.000001 USD, one of output 0.000002, and a USD 1500 credits. Where tokens are estimated the prompt is those of
its text and seven for marks, as the sandbox counts too, and the output what the sandbox had sent: `0,` `1,` and so on, a chunk each.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest

from catalog import tokens
from contract.ids import new_id
from tests.chat.events import ask_without_reading, opened, parsed, streamed
from tests.chat.priced_model import priced_model
from tests.chat.raw_provider import RawProvider, delta, events
from tests.contract.wire import eventually
from tests.customer import Customer
from tests.gate import Gate, assert_nothing_held, calling, closed
from wallets import holds
from wallets.audit import audit
from wallets.holds import Release
from wallets.models import UsageRecord

COUNTED = "usage.prompt_tokens=1000 usage.completion_tokens=500"
"""Costs 0.002 USD: 3.0000 credits."""
PATIENT = {"max_tokens": 500}


@pytest.fixture(scope="module")
def plain(site: Any, django_db_blocker: Any) -> str:
    """A model whose route bills to the end of an answer."""
    with django_db_blocker.unblock():
        return priced_model(site.v1)


@pytest.fixture(scope="module")
def stoppable(site: Any, django_db_blocker: Any) -> str:
    with django_db_blocker.unblock():
        return priced_model(site.v1, stoppable=True)


@pytest.fixture(scope="module")
def hasty(site: Any, plain: str, stoppable: str) -> Iterator[Any]:
    """A web process whose limits are short."""
    web = site.start_web({"CHAT_KEEP_ALIVE_SECONDS": "0.3", "CHAT_SILENCE_SECONDS": "1"})
    yield web
    web.stop()


def usd(text: str, said: str = "") -> Decimal:
    """The cost of a prompt of `text` and an output of `said` by our own count."""
    prompt = 3 + 4 + tokens.count(text)
    return (prompt + 2 * tokens.count(said)) * Decimal("0.000001")


def credits(cost: Decimal) -> Decimal:
    return (cost * 1500).quantize(Decimal("0.0001"), "ROUND_HALF_UP")


def assert_charged(owner: Customer, clause: str, cost: Decimal, *, estimated: bool) -> UsageRecord:
    """The customer's one call was charged `cost`, and nothing else happened to the wallet."""
    record = closed(owner)
    assert (record.status, record.clause, record.estimated) == ("charged", clause, estimated)
    assert (record.cost_usd, record.charged_credits) == (cost, credits(cost))
    assert record.absorbed_cost_usd == 0
    assert owner.wallet.balance == 1000 - credits(cost)
    assert [entry.amount for entry in owner.entries] == [-credits(cost)]
    assert_nothing_held(owner)
    return record


def assert_free(owner: Customer, clause: str, *, absorbed: Decimal = Decimal(0)) -> UsageRecord:
    """The customer's one call cost nothing; it may have cost us."""
    record = closed(owner)
    assert (record.clause, record.charged_credits, record.absorbed_cost_usd) == (clause, 0, absorbed)
    assert owner.wallet.balance == 1000
    assert_nothing_held(owner)
    return record


def leave_after(owner: Customer, web: Any, mark: str, text: str, **fields: Any) -> None:
    """Read a stream until a line has `mark` in it, and hang up: then the server has learnt of it."""
    owner.v1 = web.v1
    request_id = owner.http.headers["X-Request-Id"] = new_id("req")
    with opened(owner, text, **fields) as response:
        assert any(mark in line for line in response.iter_lines()), f"{mark} did not come"
    wait_for_the_end(web, request_id)


@contextmanager
def waiting(owner: Customer, web: Any, text: str, **fields: Any) -> Iterator[None]:
    """A caller who waits for an answer, and hangs up at the end: then the server has learnt of it."""
    request_id = new_id("req")
    body = json.dumps({"messages": [{"role": "user", "content": text}], **fields}).encode()
    url = httpx.URL(web.v1)
    with socket.create_connection((url.host, url.port)) as caller:
        caller.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"X-Request-Id: %b\r\nAuthorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b"
            % (request_id.encode(), owner.token.encode(), len(body), body)
        )
        yield
    wait_for_the_end(web, request_id)


def wait_for_the_end(web: Any, request_id: str) -> None:
    """Until the line of the request, which is written when it has ended, is in the log of `web`."""
    assert eventually(lambda: any(request_id in line and '"duration_ms":' in line for line in web.log.splitlines()))


def test_complete(customer, plain: str):
    owner = customer()
    answer = streamed(owner, f"[[{COUNTED}]] Say hi in five words.", model=plain, **PATIENT)
    assert (answer.done, answer.usage["credits"]) == (True, "3.0000")
    assert_charged(owner, "complete", Decimal("0.002"), estimated=False)


# The caller leaves


def test_drained_is_a_call_that_is_not_streamed(site, customer, plain: str, gate: Gate):
    owner = customer()
    with waiting(owner, site.web, f"[[gate={gate.name} {COUNTED}]]", model=plain, **PATIENT):
        gate.wait()
    gate.open()
    assert_charged(owner, "drained", Decimal("0.002"), estimated=False)


def test_drained_is_a_stream_whose_route_bills_to_the_end(site, customer, plain: str, gate: Gate):
    owner = customer()
    leave_after(owner, site.web, '"1,"', f"[[chunks=5 gate_at=2 gate={gate.name} {COUNTED}]]", model=plain, **PATIENT)
    gate.open()
    assert_charged(owner, "drained", Decimal("0.002"), estimated=False)


def test_drained_is_a_stream_with_a_key_since_a_retry_may_come_for_it(site, customer, stoppable: str, gate: Gate):
    owner = customer()
    owner.http.headers["Idempotency-Key"] = new_id("key")
    leave_after(owner, site.web, '"1,"', f"[[chunks=5 gate_at=2 gate={gate.name} {COUNTED}]]", model=stoppable, **PATIENT)
    gate.open()
    assert_charged(owner, "drained", Decimal("0.002"), estimated=False)


def test_drained_is_a_stream_with_a_key_that_is_not_read_and_its_retry_gets_the_whole_of_it(site, customer, gate: Gate):
    """The connection hangs and is not closed, as over a hole in the network. Who reads on after all learns where the answer is."""
    web = site.start_web({"CHAT_UNREAD_SECONDS": "1"})
    roomy = {"context_window": 400_000, "max_output_tokens": 200_000}
    text = f"[[chunks=40000 gate_at=39999 gate={gate.name} {COUNTED}]]"  # more than all buffers hold
    body = {"model": priced_model(web.v1, stoppable=True, **roomy), "stream": True, "max_tokens": 200_000}
    body["messages"] = [{"role": "user", "content": text}]
    owner, key, got = customer(), new_id("key"), b""
    owner.v1 = web.v1
    with socket.socket() as caller:
        ask_without_reading(caller, web.v1, owner.token, body=body, key=key)
        assert eventually(lambda: "is not read, and goes on for its retry" in web.log, seconds=60)
        caller.settimeout(60)
        while not got.endswith(b"\r\n0\r\n\r\n"):  # the end of the body
            part = caller.recv(1024 * 1024)
            assert part
            got += part
    assert b'"code":"idempotency_in_progress"' in got[-1000:]
    assert b"[DONE]" not in got
    gate.wait()
    gate.open()
    assert closed(owner, seconds=60).status == "charged"
    again = parsed(owner.http.post("/chat/completions", json=body, headers={"Idempotency-Key": key}))
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.content, again.reasons, again.done) == ("".join(f"{number}," for number in range(40_000)), ["stop"], True)
    assert again.usage["credits"] == "3.0000"
    (first, _) = owner.records
    assert (first.clause, first.estimated, first.cost_usd) == ("drained", False, Decimal("0.002"))
    assert owner.wallet.balance == 1000 - 3
    assert_nothing_held(owner)
    web.stop()


def test_stopped_pays_for_the_prompt_and_what_had_come(site, customer, stoppable: str, gate: Gate):
    """And the provider's connection is closed at once: it still waits to go on."""
    owner, marker = customer(), new_id("left")
    text = f"[[script:{marker} chunks=5 gate_at=2 gate={gate.name}]]"
    leave_after(owner, site.web, '"1,"', text, model=stoppable)
    record = assert_charged(owner, "stopped", usd(text, "0,1,"), estimated=True)
    assert [line["outcome"] for line in record.attempts] == ["stopped"]
    asked = {"marker": marker, "outcome": "left"}
    assert eventually(lambda: httpx.get(f"{site.sandbox}/control/calls", params=asked).json()["count"] == 1)


def test_stopped_before_the_first_output_pays_for_the_prompt(site, customer, stoppable: str, gate: Gate):
    owner = customer()
    text = f"[[gate={gate.name}]]"
    with waiting(owner, site.web, text, model=stoppable, stream=True):
        gate.wait()
    assert_charged(owner, "stopped", usd(text), estimated=True)


def test_a_stream_that_had_said_all_when_its_caller_left_is_not_stopped(site, customer):
    """The provider's counts are still to come. All before them came in one piece, so that whoever has seen the output left after it."""
    counts = {"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 500}}
    all_of_it, has_left = events(delta(content="hi"), delta(finish="stop"), counts), threading.Event()
    end = all_of_it.index(b'data: {"choices": []')

    def answer(connection: socket.socket) -> None:
        connection.sendall(all_of_it[:end])
        has_left.wait(30)
        connection.sendall(all_of_it[end:])

    with RawProvider(answer) as provider:
        model = priced_model(site.v1, base_url=provider.base_url, stoppable=True)
        owner = customer()
        leave_after(owner, site.web, '"hi"', "hello", model=model, **PATIENT)
        has_left.set()
        assert_charged(owner, "drained", Decimal("0.002"), estimated=False)


HOLDS = "select count(*) from pg_stat_activity where query like 'with r as materialized%%' and query_start > %s"


@pytest.mark.parametrize("stream", [False, True], ids=["sync", "stream"])
@pytest.mark.parametrize("routes", ["plain", "stoppable"])
def test_not_sent_is_a_call_whose_caller_left_before_a_provider_was_asked(site, customer, connect, request, routes: str, stream: bool):
    """Its hold can't be placed while somebody else has the wallet."""
    owner, elsewhere, watcher = customer(), connect(), connect()
    elsewhere.execute("begin")
    elsewhere.execute("select from wallets_wallet where id = %s for update", [owner.wallet.pk])
    (since,) = watcher.execute("select clock_timestamp()").fetchone()
    with waiting(owner, site.web, "hello", model=request.getfixturevalue(routes), stream=stream):
        assert eventually(lambda: watcher.execute(HOLDS, [since]).fetchone()[0])
    elsewhere.execute("rollback")
    assert eventually(lambda: bool(owner.records))
    record = assert_free(owner, "not_sent")
    assert (record.attempts, record.error_code) == ([], "")


@contextmanager
def unreachable() -> Iterator[str]:
    """The base URL of a provider that lets nobody in, and does not say so."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as queue:
        for _ in range(4):
            before = queue.enter_context(socket.socket())
            before.setblocking(False)
            before.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"


def test_not_sent_is_a_stream_whose_caller_left_while_its_provider_was_connected_to(hasty, customer):
    """The provider can't bill what it has not heard of."""
    owner = customer()
    with unreachable() as base_url:
        model = priced_model(hasty.v1, base_url=base_url, stoppable=True)
        leave_after(owner, hasty, ": keep-alive", "hello", model=model)
        record = assert_free(owner, "not_sent")
    assert ([line["outcome"] for line in record.attempts], record.error_code) == (["not_sent"], "")


@pytest.mark.parametrize("stream", [False, True], ids=["sync", "stream"])
def test_left_between_two_tries_it_is_the_failure_of_the_first(site, customer, gate: Gate, stream: bool):
    """The route bills to the end, so the caller's leaving ends nothing; its failure does, for nobody waits for another."""
    model = priced_model(site.v1, backups=[""])
    owner = customer()
    with waiting(owner, site.web, f"[[gate={gate.name} status=500]]", model=model, stream=stream):
        gate.wait()
    gate.open()
    record = assert_free(owner, "upstream_failed")
    assert ([line["outcome"] for line in record.attempts], record.error_code) == (["upstream_error"], "upstream_error")


# We cut it


def test_cut_by_limit_is_a_provider_that_falls_silent(hasty, customer, stoppable: str):
    owner = customer()
    owner.v1 = hasty.v1
    text = "[[chunks=5 stall_ms=forever stall_at=2]]"
    answer = streamed(owner, text, model=stoppable)
    assert (answer.content, answer.reasons, answer.done) == ("0,1,", ["length"], True)
    assert answer.usage["credits"] == str(credits(usd(text, "0,1,")))
    assert_charged(owner, "cut_by_limit", usd(text, "0,1,"), estimated=True)


def test_of_too_many_calls_without_callers_the_oldest_is_cut(site, customer, plain: str):
    web = site.start_web({"CHAT_MOST_DRAINED": "1"})
    first, second = customer(), customer()
    gates = Gate(site.sandbox), Gate(site.sandbox)
    texts = [f"[[chunks=5 gate_at=2 gate={gate.name} {COUNTED}]]" for gate in gates]
    for owner, text in zip((first, second), texts, strict=True):
        leave_after(owner, web, '"1,"', text, model=plain, **PATIENT)
    assert_charged(first, "cut_by_limit", usd(texts[0], "0,1,"), estimated=True)
    assert second.record.status == "open"
    gates[1].open()
    assert_charged(second, "drained", Decimal("0.002"), estimated=False)
    web.stop()


# Nobody pays


def test_without_output_it_is_lost_and_its_prompt_is_our_cost(site, customer, plain: str):
    web = site.start_web({"CHAT_MOST_DRAINED": "1"})
    first, second = customer(), customer()
    gates = Gate(site.sandbox), Gate(site.sandbox)
    texts = [f"[[gate={gate.name} {COUNTED}]]" for gate in gates]
    for owner, gate, text in zip((first, second), gates, texts, strict=True):
        with waiting(owner, web, text, model=plain, **PATIENT):
            gate.wait()
    assert_free(first, "lost", absorbed=usd(texts[0]))
    gates[1].open()
    assert_charged(second, "drained", Decimal("0.002"), estimated=False)
    web.stop()


def test_lost_is_a_call_that_our_shutdown_cannot_wait_for(site, customer, plain: str, gate: Gate):
    web = site.start_web({"DRAIN_SECONDS": "1"})
    owner = customer()
    owner.v1 = web.v1
    with calling(owner, gate.text, model=plain) as outcome:
        gate.wait()
        web.stop()
    gate.open()
    assert outcome[0].json()["error"]["code"] == "service_unavailable"
    record = assert_free(owner, "lost", absorbed=usd(gate.text))
    assert record.error_code == "service_unavailable"


def test_lost_is_a_call_that_was_swept_before_its_charge_and_staff_are_told(site, customer, plain: str, gate: Gate):
    """What it cost us can't be written to a record that is closed."""
    owner = customer()
    with calling(owner, f"[[gate={gate.name} {COUNTED}]]", model=plain, **PATIENT) as outcome:
        gate.wait()
        id = owner.record.pk
        holds.release([Release(usage_id=id, wallet_id=owner.wallet.pk, clause="lost", outcome="failed")])
        gate.open()
    assert outcome[0].json()["error"]["code"] == "billing_failed"
    assert_free(owner, "lost")
    (line,) = (line for line in site.web.log.splitlines() if id in line and '"level":"error"' in line)
    assert "it cost us 0.002000000000 USD" in line


def test_upstream_failed_after_output_is_our_cost(customer, plain: str):
    owner = customer()
    text = "[[chunks=5 cut=error cut_at=2]]"
    assert streamed(owner, text, model=plain).error is not None
    assert_free(owner, "upstream_failed", absorbed=usd(text, "0,1,"))


def test_upstream_failed_by_a_refusal_costs_nobody_anything(customer, plain: str):
    owner = customer()
    assert owner.chat("[[status=500]]", model=plain).status_code == 502
    assert_free(owner, "upstream_failed")


def test_empty_is_charged_nothing_and_its_prompt_is_our_cost(customer, plain: str):
    owner = customer()
    assert owner.chat("[[empty=true usage.prompt_tokens=1000]]", model=plain).json()["usage"]["credits"] == "0.0000"
    record = closed(owner)
    assert (record.status, record.clause, record.charged_credits) == ("charged", "empty", 0)
    assert record.absorbed_cost_usd == Decimal("0.001")
    assert owner.wallet.balance == 1000
    assert_nothing_held(owner)


@pytest.mark.parametrize("stream", [False, True], ids=["sync", "stream"])
def test_empty_is_also_an_answer_without_a_word_and_without_counts(customer, plain: str, stream: bool):
    """Nothing came, so nothing is charged; a provider that does not count is an alert all the same."""
    owner = customer()
    text = "[[empty=true usage=missing]]"
    assert owner.chat(text, model=plain, stream=stream).status_code == 200
    record = closed(owner)
    assert (record.status, record.clause, record.charged_credits) == ("charged", "empty", 0)
    assert (record.estimated, record.alert) == (True, "prompt_tokens is missing")
    assert record.absorbed_cost_usd == usd(text)
    assert owner.wallet.balance == 1000
    assert_nothing_held(owner)


def test_the_audit_is_clean_after_all_of_it(site, committed):
    assert audit() == []
