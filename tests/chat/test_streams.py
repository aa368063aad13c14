"""Streamed chat over real HTTP: the events, the charge before the last of them, and every way a stream can end."""

from __future__ import annotations

import json
import socket
import threading
import time
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.chat.events import opened, streamed
from tests.gate import assert_nothing_held, closed
from wallets.audit import audit
from wallets.models import UsageRecord


def test_a_stream_says_the_same_as_an_answer_at_once(customer, model: str):
    owner = customer()
    whole = owner.chat("Say hi in five words.", model=model).json()
    answer = streamed(owner, "Say hi in five words.", model=model)
    assert answer.status == 200
    assert answer.content == whole["choices"][0]["message"]["content"]
    assert answer.reasons == ["stop"]
    assert answer.done
    assert answer.usage == whole["usage"]


def test_the_role_comes_first_and_every_chunk_has_its_envelope(customer):
    owner = customer()
    answer = streamed(owner)
    first, *rest = answer.chunks
    assert first["choices"] == [
        {"index": 0, "delta": {"role": "assistant", "content": "", "refusal": None}, "logprobs": None, "finish_reason": None}
    ]
    assert all("role" not in chunk["choices"][0]["delta"] for chunk in rest)
    for chunk in answer.chunks:
        assert (chunk["id"], chunk["object"], chunk["model"]) == (owner.record.id, "chat.completion.chunk", "MiniMax-M2.7")
        assert chunk["created"] == first["created"]
        assert set(chunk) <= {"id", "object", "created", "model", "choices", "usage"}
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-cache", "no")
    assert answer.headers["x-request-id"] == owner.record.request_id
    assert answer.headers["access-control-allow-origin"] == "*"


def test_without_include_usage_it_rides_on_the_last_finish_chunk(customer):
    owner = customer()
    answer = streamed(owner)
    assert all(len(chunk["choices"]) == 1 for chunk in answer.chunks)
    assert ["usage" in chunk for chunk in answer.chunks] == [False] * (len(answer.chunks) - 1) + [True]
    assert answer.chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert answer.usage["credits"] == str(owner.record.charged_credits)


def test_with_include_usage_it_is_a_chunk_of_its_own(customer):
    answer = streamed(customer(), stream_options={"include_usage": True})
    *others, last = answer.chunks
    assert last["choices"] == []
    assert last["usage"]["credits"]
    assert all(chunk["usage"] is None for chunk in others)
    assert others[-1]["choices"][0]["finish_reason"] == "stop"
    assert answer.done


def test_the_record_tells_a_stream_and_its_first_output(customer):
    owner = customer()
    streamed(owner, "[[latency_ms=30]] Say hi in five words.")
    record = owner.record
    assert (record.stream, record.status, record.clause, record.estimated) == (True, "charged", "complete", False)
    assert 30 <= record.first_output_ms <= record.latency_ms
    owner.chat()
    assert (owner.records[1].stream, owner.records[1].first_output_ms) == (False, None)


@pytest.mark.parametrize("include_usage", [False, True])
def test_the_charge_is_recorded_before_the_last_finish_chunk_is_sent(customer, gate, include_usage: bool):
    """The provider has said everything but its counts: its finish_reason is not passed on before they are charged."""
    owner = customer()
    text = gate.text.replace("[[gate=", "[[gate_at=finish gate=")
    got = ""
    with opened(owner, text, stream_options={"include_usage": include_usage}) as response:
        parts = response.iter_text()
        while got.count("data:") < 6:
            got += next(parts)
        gate.wait()
        assert '"finish_reason":"stop"' not in got
        assert owner.record.status == "open"
        gate.open()
        while '"finish_reason":"stop"' not in got:
            got += next(parts)
        assert owner.record.status == "charged"


def test_several_choices_each_begin_and_end(customer):
    owner = customer()
    answer = streamed(owner, n=3, model="gpt-4o-mini")
    whole = owner.chat(n=3, model="gpt-4o-mini").json()
    for index in range(3):
        assert answer.said(index) == whole["choices"][index]["message"]["content"]
        mine = [choice for chunk in answer.chunks for choice in chunk["choices"] if choice["index"] == index]
        assert mine[0]["delta"]["role"] == "assistant"
        assert mine[-1]["finish_reason"] == "stop"
    assert answer.reasons == ["stop"] * 3
    assert answer.usage == whole["usage"]
    assert answer.chunks[-1]["usage"]


def test_tool_calls_come_in_pieces_that_add_up(customer):
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = [{"type": "function", "function": {"name": "weather", "parameters": parameters}}]
    answer = streamed(customer(), "What is the weather in Riga?", tools=tools, tool_choice="required")
    pieces = [piece for chunk in answer.chunks for piece in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert (pieces[0]["index"], pieces[0]["type"], pieces[0]["function"]["name"]) == (0, "function", "weather")
    assert pieces[0]["id"]
    assert "city" in json.loads("".join(piece["function"].get("arguments", "") for piece in pieces))
    assert answer.reasons == ["tool_calls"]


def test_reasoning_and_refusals_are_output_too(customer):
    owner = customer()
    answer = streamed(owner, '[[reasoning="let me think" answer=done]]')
    assert (answer.said(name="reasoning_content"), answer.content) == ("let me think", "done")
    answer = streamed(owner, '[[refusal="I will not."]]')
    assert (answer.said(name="refusal"), answer.content, answer.done) == ("I will not.", "", True)


def test_logprobs_come_with_their_tokens(customer):
    answer = streamed(customer(), logprobs=True, top_logprobs=2, model="gpt-4o-mini")
    tokens = [
        token["token"]
        for chunk in answer.chunks
        for choice in chunk["choices"]
        for token in (choice["logprobs"] or {}).get("content") or ()
    ]
    assert "".join(tokens) == answer.content


def test_nothing_of_the_provider_goes_through(customer):
    answer = streamed(customer(), "[[echo_model=secret-upstream-7 usage.cost=0.5 wire=noisy usage_at=every]] Say hi in five words.")
    assert answer.done
    for secret in ("secret-upstream-7", "cost", "fingerprint", "service_tier", "chatcmpl-"):
        assert secret not in answer.text


@pytest.mark.parametrize("wire", ["crlf", "split", "merged", "no_space", "noisy"])
@pytest.mark.parametrize("usage_at", ["extra", "finish", "every"])
def test_however_the_provider_writes_it_the_caller_reads_the_same(customer, wire: str, usage_at: str):
    owner = customer()
    answer = streamed(owner, f"[[wire={wire} usage_at={usage_at}]] Say hi in five words.")
    assert len(answer.content.split()) == 5
    assert answer.done
    assert (owner.record.clause, owner.record.estimated) == ("complete", False)


def test_an_empty_stream_costs_nothing(customer, model: str):
    owner = customer()
    answer = streamed(owner, "[[empty=true]]", model=model)
    assert (answer.reasons, answer.content, answer.usage["credits"], answer.done) == (["stop"], "", "0.0000", True)
    assert owner.record.clause == "empty"


@pytest.mark.parametrize("usage", ["=missing", "=negative", "=huge", "=float", "=string", "=over_limit", ".completion_tokens=null"])
def test_usage_that_cannot_be_true_is_estimated_and_flagged(customer, usage: str):
    owner = customer()
    answer = streamed(owner, f"[[usage{usage}]] Say hi in five words.", max_tokens=50)
    assert answer.done
    record = owner.record
    assert record.estimated
    assert record.alert
    assert 0 < record.completion_tokens <= 50
    assert answer.usage["credits"] == str(record.charged_credits)


# Failures


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("status=500", 502, "upstream_error"),
        ("status=429 retry_after=7", 503, "model_unavailable"),
        ("status=401", 502, "upstream_error"),
        ("status=504", 504, "upstream_timeout"),
        ("status=400", 400, "invalid_request"),
        ("context_window=1", 400, "context_length_exceeded"),
        ("garbage=html", 502, "upstream_error"),
        ("garbage=empty", 502, "upstream_error"),
        ("garbage=base_resp", 502, "upstream_error"),
        ("cut=reset", 502, "upstream_error"),
        ("cut=clean cut_at=headers", 502, "upstream_error"),
        ("cut=abrupt cut_at=role", 502, "upstream_error"),
        ("cut=error cut_at=role", 502, "upstream_error"),
        ("cut=garbage cut_at=role", 502, "upstream_error"),
    ],
)
def test_a_failure_before_the_first_output_is_a_plain_answer(customer, model: str, fault: str, status: int, code: str):
    owner = customer()
    answer = streamed(owner, f"[[{fault}]] my secret prompt", model=model)
    assert answer.error is not None
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/json"
    assert answer.error["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["x-should-retry"] == str(answer.error["retryable"]).lower()
    record = owner.record
    assert (record.status, record.clause, record.error_code) == ("released", "upstream_failed", code)
    assert record.absorbed_cost_usd == 0
    assert owner.wallet.balance == 1000
    assert_nothing_held(owner)


@pytest.mark.parametrize("cut", ["abrupt", "reset", "clean", "error", "garbage"])
def test_a_failure_after_it_is_an_error_event_without_done_and_costs_nothing(customer, model: str, cut: str):
    owner = customer()
    answer = streamed(owner, f"[[cut={cut} cut_at=3]] Say hi in five words.", model=model)
    assert answer.status == 200
    assert answer.content
    assert not answer.done
    assert answer.error is not None
    assert (answer.error["code"], answer.error["retryable"]) == ("upstream_error", True)
    assert answer.error["request_id"] == answer.headers["x-request-id"]
    assert answer.reasons == []
    record = owner.record
    assert (record.status, record.clause, record.charged_credits) == ("released", "upstream_failed", 0)
    assert 0 < record.absorbed_cost_usd < Decimal("0.001")
    assert [line["outcome"] for line in record.attempts] == ["upstream_error"]
    assert owner.wallet.balance == 1000
    assert_nothing_held(owner)


@pytest.mark.parametrize("fault", ["cut=abrupt cut_at=finish", "cut=error cut_at=finish", "usage=missing cut=clean cut_at=finish"])
def test_an_answer_that_finished_is_complete_though_its_counts_got_lost(customer, model: str, fault: str):
    owner = customer()
    answer = streamed(owner, f"[[{fault}]] Say hi in five words.", model=model)
    assert (answer.reasons, answer.done) == (["stop"], True)
    assert (owner.record.clause, owner.record.estimated) == ("complete", True)
    assert answer.usage["credits"] == str(owner.record.charged_credits)


def test_refusals_before_the_call_are_plain_answers(customer):
    poor = customer(balance="0.0001")
    answer = streamed(poor)
    assert answer.error is not None
    assert (answer.status, answer.error["code"]) == (402, "insufficient_balance")
    assert poor.records == []
    answer = streamed(customer(), temperature=5)
    assert answer.status == 400


def test_the_providers_content_filter_ends_it_as_such_and_charges_what_came(customer):
    owner = customer()
    answer = streamed(owner, '[[cut=error cut_at=3 code=content_filter message="flagged by the safety system"]] Say hi in five words.')
    assert (answer.reasons, answer.done, answer.error) == (["content_filter"], True, None)
    record = owner.record
    assert (record.status, record.clause, record.estimated, record.alert) == ("charged", "cut_by_limit", True, "")
    assert 0 < record.charged_credits < record.hold_credits
    assert answer.usage["credits"] == str(record.charged_credits)


# Time


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
    host, port = httpx.URL(hasty.v1).host, httpx.URL(hasty.v1).port
    text = "[[chunks=90000]] count"
    body = json.dumps(
        {"model": "MiniMax-M2.7", "stream": True, "max_tokens": 100_000, "messages": [{"role": "user", "content": text}]}
    ).encode()
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.connect((host, port))
        caller.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b" % (owner.token.encode(), len(body), body)
        )
        deadline = time.monotonic() + 20
        while not owner.records and time.monotonic() < deadline:
            time.sleep(0.05)
        record = closed(owner, seconds=30)
    assert (record.clause, record.estimated) == ("cut_by_limit", True)
    assert 0 < record.completion_tokens < 100_000
    assert_nothing_held(owner)


# Callers who leave


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
        next(response.iter_bytes())
        gate.wait()
        stopping = threading.Thread(target=web.stop)
        stopping.start()
        stopping.join()
    record = closed(owner)
    assert (record.status, record.clause, record.estimated) == ("charged", "cut_by_limit", True)
    gate.open()
    assert_nothing_held(owner)


def test_many_streams_at_once_keep_apart(customer):
    owner = customer()
    answers: list[str] = []

    def read(number: int) -> None:
        answers.append(streamed(owner, f'[[answer="I am number {number} of them."]]').content)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == sorted(f"I am number {number} of them." for number in range(20))
    assert UsageRecord.objects.filter(wallet=owner.wallet, clause="complete").count() == 20
    assert_nothing_held(owner)


def test_the_audit_is_clean_after_all_of_it(site, committed):
    assert audit() == []
