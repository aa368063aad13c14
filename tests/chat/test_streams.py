"""Streamed chat over real HTTP: the events, and the charge before the last of them."""

from __future__ import annotations

import json
import threading

import pytest

from tests.chat.events import opened, streamed
from tests.gate import assert_nothing_held
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
