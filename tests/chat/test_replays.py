"""Chat under an Idempotency-Key, over HTTP: one call, one charge, and the same answer for every retry."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import openai
import orjson
import pytest
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from accounts.models import Account
from catalog.models import Model
from chat.answers import ChatCompletion, ChatCompletionChunk
from contract.ids import new_id
from tests.answers import assert_shape
from tests.chat.events import Streamed, parsed
from tests.chat.priced_model import priced_model
from tests.chat.raw_provider import RawProvider, delta, events, said, whole
from tests.chat.test_answer_shapes import CALLS, TOOLS, every_call
from tests.contract.wire import eventually
from tests.customer import Customer
from tests.factories import ApiKeyFactory
from tests.gate import Gate, assert_nothing_held
from tests.wallets.calls import charge, hold
from wallets import holds, ledger
from wallets.idempotency import keyed_request
from wallets.models import IdempotencyKey, Wallet

HI = "Say hi in five words."


def body(text: str = HI, *, model: str = "MiniMax-M2.7", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


def ask(owner: Customer, text: str = HI, *, key: str = "mine", headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
    return owner.http.post("/chat/completions", json=body(text, **fields), headers={"Idempotency-Key": key, **(headers or {})})


def read(owner: Customer, text: str = HI, **fields: Any) -> Streamed:
    return parsed(ask(owner, text, stream=True, **fields))


def is_replay(response: httpx.Response | Streamed) -> bool:
    return response.headers.get("idempotent-replayed") == "true"


def assert_charged_once(owner: Customer, *, replays: int) -> None:
    """One call was charged, and `replays` of its answer stand beside it."""
    (first, *others) = owner.records
    assert (first.status, first.replay_of, len(owner.entries)) == ("charged", "", 1)
    assert [(record.clause, record.status, record.replay_of) for record in others] == [("replay", "released", first.id)] * replays
    assert all((record.hold_credits, record.charged_credits, record.outcome) == (0, 0, "replayed") for record in others)
    assert_nothing_held(owner)


# The same answer


@every_call
def test_a_retry_gets_the_same_bytes_and_is_free(customer, call: dict[str, Any]):
    owner = customer()
    first, second, third = (ask(owner, **call) for _ in range(3))
    assert (first.status_code, is_replay(first)) == (200, False)
    for again in (second, third):
        assert (again.status_code, is_replay(again)) == (200, True)
        assert again.content == first.content
        assert again.headers["content-type"] == first.headers["content-type"]
    assert_shape(second.json(), ChatCompletion)
    assert_charged_once(owner, replays=2)


@every_call
@pytest.mark.parametrize("with_usage", [False, True])
def test_a_stream_is_replayed_as_a_stream_that_says_the_same(customer, call: dict[str, Any], with_usage: bool):
    owner = customer()
    asked = {**call, **({"stream_options": {"include_usage": True}} if with_usage else {})}
    first, second = (read(owner, **asked) for _ in range(2))
    assert (first.status, second.status, is_replay(first), is_replay(second)) == (200, 200, False, True)
    assert first.done
    assert second.done
    for index in range(call.get("n", 1)):
        for name in ("content", "refusal", "reasoning_content"):
            assert second.said(index, name) == first.said(index, name)
        assert tokens(second, index) == tokens(first, index)
        assert called(second, index) == called(first, index)
    assert sorted(second.reasons) == sorted(first.reasons)
    assert second.usage == first.usage
    for chunk in second.chunks:
        assert_shape(chunk, ChatCompletionChunk)
        assert {name: chunk[name] for name in ("id", "created", "model")} == {
            name: first.chunks[0][name] for name in ("id", "created", "model")
        }
    assert second.chunks[0] == first.chunks[0]
    assert second.chunks[-1]["choices"] == [] if with_usage else second.chunks[-1]["choices"][0]["finish_reason"]
    assert ["usage" in chunk for chunk in second.chunks].count(True) == (len(second.chunks) if with_usage else 1)
    for name in ("content-type", "cache-control", "x-accel-buffering"):
        assert second.headers[name] == first.headers[name]
    assert_charged_once(owner, replays=1)


def tokens(answer: Streamed, index: int) -> list[Any]:
    choices = [choice for chunk in answer.chunks for choice in chunk["choices"] if choice["index"] == index]
    return [token for choice in choices if choice["logprobs"] for token in choice["logprobs"]["content"]]


def called(answer: Streamed, index: int) -> dict[int, list[str]]:
    """The tool calls of a choice by their index: id, name and arguments."""
    calls: dict[int, list[str]] = {}
    for chunk in answer.chunks:
        for choice in chunk["choices"]:
            for piece in (choice["delta"].get("tool_calls") or []) if choice["index"] == index else []:
                call = calls.setdefault(piece["index"], ["", "", ""])
                function = piece["function"]
                for place, text in enumerate((piece.get("id"), function.get("name"), function.get("arguments"))):
                    call[place] += text or ""
    return calls


def test_the_cases_of_streams_say_what_they_are_named_for(customer):
    """Several choices, their tokens and tool calls are compared above: they must be there."""
    several = read(customer(), **CALLS["several choices with log probabilities"])
    assert [bool(tokens(several, index)) for index in (0, 1)] == [True, True]
    assert [call[1] for call in called(read(customer(), **CALLS["a tool"]), 0).values()] == ["weather"]


def test_a_replay_has_the_request_id_of_its_own_request(customer):
    owner = customer()
    ask(owner, headers={"X-Request-Id": "first"})
    again = ask(owner, headers={"X-Request-Id": "second"})
    assert (is_replay(again), again.headers["x-request-id"]) == (True, "second")
    assert [record.request_id for record in owner.records] == ["first", "second"]


def test_a_replay_shows_in_usage_with_a_receipt_that_names_its_call(customer):
    owner = customer()
    id = ask(owner, metadata={"order": "7"}).json()["id"]
    assert ask(owner, metadata={"order": "7"}).json()["id"] == id
    first, replay = owner.records
    told = owner.http.get(f"/usage/{replay.id}").json()
    assert (first.id, told["replay_of"], told["clause"], told["status"]) == (id, id, "replay", "released")
    assert (told["credits"], told["hold_credits"], told["metadata"]) == ("0.0000", "0.0000", {"order": "7"})
    assert owner.http.get(f"/usage/{id}").json()["replay_of"] is None


def test_the_same_body_may_be_written_otherwise(customer):
    owner = customer()
    first = ask(owner, max_tokens=10, temperature=1)
    spaced = json.dumps({"temperature": 1.0, "max_tokens": 10, "user": None, **body()}, indent=3)
    again = owner.http.post("/chat/completions/", content=spaced, headers={"Idempotency-Key": "mine", "Content-Type": "application/json"})
    assert is_replay(again)
    assert again.content == first.content


def test_a_long_body_is_told_again_too(customer):
    owner = customer()
    text = "word " * 60_000
    assert not is_replay(ask(owner, f"[[answer=yes]] {text}"))
    assert is_replay(ask(owner, f"[[answer=yes]] {text}"))
    assert ask(owner, f"[[answer=yes]] {text}more").json()["error"]["code"] == "idempotency_conflict"


# What a replay does not need


def test_a_replay_needs_no_balance(customer):
    owner = customer()
    first = ask(owner)
    left = owner.wallet.available
    with transaction.atomic():
        ledger.credit(owner.wallet, kind="adjustment", amount=-left, reference=f"spent:{owner.wallet.pk}", reason="a test's")
    assert ask(owner, key="other").json()["error"]["code"] == "insufficient_balance"
    again = ask(owner)
    assert (is_replay(again), again.content) == (True, first.content)


def test_a_replay_works_while_the_model_is_off(customer, site):
    owner = customer()
    model = priced_model(site.v1)
    first = ask(owner, model=model)
    Model.objects.filter(pk=model).update(enabled=False)
    assert eventually(lambda: owner.chat(model=model).status_code == 400)
    again = ask(owner, model=model)
    assert (is_replay(again), again.content) == (True, first.content)


def test_two_keys_of_one_account_share_what_is_stored(customer):
    owner = customer()
    first = ask(owner)
    second_key = ApiKeyFactory(account=owner.account, name="second")
    owner.http.headers["Authorization"] = f"Bearer {second_key.token}"
    again = ask(owner)
    assert (is_replay(again), again.content) == (True, first.content)
    assert [record.key_name for record in owner.records] == ["test", "second"]


# What it is not answered for


def test_another_account_s_key_of_the_same_name_is_another(customer):
    first, other = customer(), customer()
    ids = [ask(owner).json()["id"] for owner in (first, other)]
    assert ids[0] != ids[1]
    assert_charged_once(other, replays=0)


def test_a_suspended_account_gets_no_replay(customer):
    owner = customer()
    ask(owner)
    Account.objects.filter(pk=owner.account.pk).update(status="suspended")
    assert eventually(lambda: ask(owner).json().get("error", {}).get("code") == "tenant_disabled")


@pytest.mark.parametrize(
    "changed", [{"text": "Say hi in six words."}, {"stream": True}, {"temperature": 0.5}, {"user": "somebody"}], ids=lambda case: str(case)
)
def test_another_body_is_a_conflict(customer, changed: dict[str, Any]):
    owner = customer()
    ask(owner)
    refused = ask(owner, **changed)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert refused.headers["x-should-retry"] == "false"
    assert_charged_once(owner, replays=0)


def test_a_conflict_is_told_before_the_body_is_looked_at(customer):
    owner = customer()
    ask(owner)
    assert ask(owner, temperature="hot").json()["error"]["code"] == "idempotency_conflict"
    assert ask(owner, temperature="hot", key="other").json()["error"]["code"] == "invalid_request"


# While the first runs


def began(owner: Customer, *, seconds_ago: int) -> None:
    """The customer's one request with a key is of that age."""
    IdempotencyKey.objects.filter(wallet=owner.wallet).update(created_at=Now() - timedelta(seconds=seconds_ago))


@pytest.mark.parametrize("stream", [False, True])
def test_a_second_one_is_told_to_wait_while_the_first_runs(customer, gate: Gate, stream: bool):
    owner = customer()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(ask, owner, gate.text, stream=stream)
        gate.wait()
        began(owner, seconds_ago=-60)  # new, however slow the machine
        second, other = ask(owner, gate.text, stream=stream), ask(owner, gate.text, stream=stream, n=1)
        gate.open()
    assert first.result().status_code == 200
    assert (second.status_code, second.json()["error"]["code"]) == (409, "idempotency_in_progress")
    assert (second.headers["retry-after"], second.headers["x-should-retry"]) == ("1", "true")
    assert other.json()["error"]["code"] == "idempotency_conflict"
    assert is_replay(ask(owner, gate.text, stream=stream))
    assert_charged_once(owner, replays=1)


def test_the_older_the_first_one_the_longer_a_second_one_is_to_wait(customer, gate: Gate):
    """An SDK retries but twice: so the second retry comes at four times the age of the call that was given up."""
    owner = customer()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(ask, owner, gate.text)
        gate.wait()
        began(owner, seconds_ago=10)
        grown = ask(owner, gate.text)
        began(owner, seconds_ago=3600)
        old = ask(owner, gate.text)
        gate.open()
    assert first.result().status_code == 200
    assert {answer.json()["error"]["code"] for answer in (grown, old)} == {"idempotency_in_progress"}
    assert 11 <= int(grown.headers["retry-after"]) < 30  # rounded up, from ten seconds and the time it took to ask
    assert old.headers["retry-after"] == "30"


@pytest.mark.parametrize("stream", [False, True])
def test_fifty_at_once_are_one_call(customer, stream: bool):
    owner = customer()

    async def ask_all() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=owner.v1, headers=owner.headers, timeout=60) as client:
            asked = body("[[latency_ms=200]] Say hi in five words.", stream=stream)
            calls = (client.post("/chat/completions", json=asked, headers={"Idempotency-Key": "mine"}) for _ in range(50))
            return await asyncio.gather(*calls)

    answers = asyncio.run(ask_all())
    answered = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert [is_replay(answer) for answer in answered].count(False) == 1
    assert {answer.json()["error"]["code"] for answer in refused} <= {"idempotency_in_progress"}
    if not stream:
        assert len({answer.content for answer in answered}) == 1
    assert_charged_once(owner, replays=len(answered) - 1)


PLACES = "select count(*) from pg_stat_activity where query like 'with r as materialized%%' and query_start > %s"


@pytest.mark.parametrize("stream", [False, True])
def test_one_whose_hold_comes_after_the_first_was_answered_gets_that_answer(customer, connect, stream: bool):
    """It found no answer when it looked; when its hold is taken there is one."""
    owner, watcher = customer(), connect()
    asked = body(stream=stream)
    wallet = owner.wallet
    request = keyed_request("mine", wallet_id=wallet.pk, method="POST", path="/v1/chat/completions", body=asked)
    said = {"index": 0, "message": {"role": "assistant", "content": "Hi."}, "logprobs": None, "finish_reason": "stop"}
    first = hold(wallet, 5, reservation=request.reservation, stream=stream)
    answer = request.seal(orjson.dumps({"created": 1, "usage_apart": False, "choices": [said]}), usage_id=first.usage_id)
    (since,) = watcher.execute("select clock_timestamp()").fetchone()
    with ThreadPoolExecutor() as pool:
        with transaction.atomic():
            Wallet.objects.lock(wallet.pk)
            second = pool.submit(ask, owner, stream=stream)
            assert eventually(lambda: watcher.execute(PLACES, [since]).fetchone()[0])
            holds.place([first])
            holds.settle([charge(first, 2, answer=answer)])
        response = second.result()
    assert (response.status_code, is_replay(response)) == (200, True), response.text
    assert first.usage_id in response.text
    assert '"Hi."' in response.text
    assert_charged_once(owner, replays=1)


def test_a_caller_who_left_gets_the_whole_answer_by_his_retry(customer, gate: Gate):
    owner = customer()
    text = gate.text.replace("[[gate=", "[[gate_at=2 gate=").replace("five", "nine")
    asked = {"json": body(text, stream=True), "headers": {"Idempotency-Key": "mine"}}
    with owner.http.stream("POST", "/chat/completions", **asked) as response:
        next(response.iter_bytes())
    gate.open()
    assert eventually(lambda: owner.record.status == "charged")
    again = read(owner, text)
    assert (is_replay(again), again.done, again.reasons) == (True, True, ["stop"])
    assert len(again.content.split()) == 9
    assert again.usage["credits"] == str(owner.entries[0].amount).removeprefix("-")
    assert_charged_once(owner, replays=1)


# After a failure, and after the window


@pytest.mark.parametrize("stream", [False, True])
def test_a_failed_call_leaves_nothing_in_the_way_of_its_retry(customer, sandbox: str, stream: bool):
    owner = customer()
    script = {"marker": new_id("fails"), "steps": [{"status": 400}]}
    text = httpx.post(f"{sandbox}/control/scripts", json=script, timeout=30).json()["text"] + HI
    failed = ask(owner, text, stream=stream)
    assert failed.status_code == 400
    assert not IdempotencyKey.objects.filter(wallet=owner.wallet).exists()
    answered = ask(owner, text, stream=stream)
    assert (answered.status_code, is_replay(answered)) == (200, False)
    assert is_replay(ask(owner, text, stream=stream))
    assert len(owner.entries) == 1


def test_what_was_refused_before_a_hold_is_not_kept(customer):
    owner = customer(balance=0)
    assert ask(owner).json()["error"]["code"] == "insufficient_balance"
    assert ask(owner, model="no-such-model").json()["error"]["code"] == "unsupported_model"
    assert not IdempotencyKey.objects.filter(wallet=owner.wallet).exists()


def test_after_its_window_a_key_is_new(customer):
    owner = customer()
    first = ask(owner).json()["id"]
    IdempotencyKey.objects.filter(wallet=owner.wallet).update(
        created_at=F("created_at") - timedelta(days=2), expires_at=F("expires_at") - timedelta(hours=25)
    )
    again = ask(owner)
    assert (is_replay(again), again.status_code) == (False, 200)
    assert again.json()["id"] != first
    assert len(owner.entries) == 2
    assert ask(owner).json()["id"] == again.json()["id"]


# What is kept


@pytest.mark.parametrize("stream", [False, True])
def test_the_table_shows_nothing_of_the_answer(customer, stream: bool):
    owner = customer()
    ask(owner, '[[answer="the meaning of life"]] Say it.', stream=stream, key="my-own-key")
    (row,) = IdempotencyKey.objects.filter(wallet=owner.wallet)
    sealed = bytes(row.answer or b"")
    assert len(sealed) > len("the meaning of life")
    for secret in (b"meaning", b"life", b"choices", b"my-own-key"):
        assert secret not in sealed
    assert "my-own-key" not in (row.digest, row.fingerprint)


def test_a_call_without_a_key_keeps_nothing(customer):
    owner = customer()
    first, second = owner.chat().json()["id"], owner.chat().json()["id"]
    assert first != second
    assert len(owner.entries) == 2
    assert not IdempotencyKey.objects.filter(wallet=owner.wallet).exists()


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_cannot_be_read_any_more_is_not_asked_for_again(site, customer, stream: bool):
    """It says where its charge is to be seen, and does not run, and cost, a second time."""
    owner = customer()
    ask(owner, stream=stream)
    (row,) = IdempotencyKey.objects.filter(wallet=owner.wallet)
    sealed = bytearray(row.answer or b"")
    sealed[-1] ^= 1
    IdempotencyKey.objects.filter(pk=row.pk).update(answer=bytes(sealed))
    refusal = ask(owner, stream=stream)
    assert (refusal.status_code, refusal.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert refusal.headers["x-should-retry"] == "false"
    assert f"GET /v1/usage/{owner.record.id}" in refusal.json()["error"]["message"]
    assert any("can't be opened" in line and owner.record.id in line for line in site.web.log.splitlines())
    assert_charged_once(owner, replays=0)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_too_large_to_keep_is_given_and_charged_once_and_not_asked_for_again(site, customer, stream: bool):
    text, owner = base64.b64encode(os.urandom(9 * 1024 * 1024)).decode(), customer()
    pieces = [delta(content=text[start : start + 500_000]) for start in range(0, len(text), 500_000)]
    counted = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 90_000}}
    with RawProvider(events(*pieces, delta(finish="stop"), counted) if stream else whole(said(text))) as raw:
        model = priced_model(site.v1, base_url=raw.base_url, max_output_tokens=99_000, output_usd="0.0000001")
        given = ask(owner, stream=stream, model=model, max_tokens=99_000)
        assert (parsed(given).content if stream else given.json()["choices"][0]["message"]["content"]) == text
        refusal = ask(owner, stream=stream, model=model, max_tokens=99_000)
        assert len(raw.requests) == 1
    assert (refusal.status_code, refusal.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert refusal.headers["x-should-retry"] == "false"
    assert f"GET /v1/usage/{owner.record.id} has its receipt" in refusal.json()["error"]["message"]
    assert_charged_once(owner, replays=0)


@pytest.mark.parametrize("stream", [False, True])
def test_a_large_answer_is_sent_again_whole(site, customer, stream: bool):
    text, owner = base64.b64encode(os.urandom(2 * 1024 * 1024)).decode(), customer()
    pieces = [delta(content=text[start : start + 500_000]) for start in range(0, len(text), 500_000)]
    counted = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 90_000}}
    with RawProvider(events(*pieces, delta(finish="stop"), counted) if stream else whole(said(text))) as raw:
        model = priced_model(site.v1, base_url=raw.base_url, max_output_tokens=99_000, output_usd="0.0000001")
        first, again = (ask(owner, stream=stream, model=model, max_tokens=99_000) for _ in range(2))
        assert len(raw.requests) == 1
    if stream:
        assert parsed(again).content == parsed(first).content == text
    else:
        assert again.content == first.content
    assert (is_replay(first), is_replay(again)) == (False, True)
    assert_charged_once(owner, replays=1)


# OpenAI's SDK


def test_the_sdk_gets_the_same_object_again(customer):
    owner = customer()
    with openai.OpenAI(base_url=owner.v1, api_key=owner.token) as client:
        asked: dict[str, Any] = {**body("What is the weather in Riga?", tools=TOOLS), "extra_headers": {"Idempotency-Key": "mine"}}
        first, second = (client.chat.completions.create(**asked) for _ in range(2))
        assert first == second
        assert first.choices[0].message.tool_calls
    assert_charged_once(owner, replays=1)


def test_the_sdk_reads_a_replayed_stream(customer):
    owner = customer()
    with openai.OpenAI(base_url=owner.v1, api_key=owner.token) as client:

        def final() -> Any:
            asked: dict[str, Any] = {**body(), "extra_headers": {"Idempotency-Key": "mine"}}
            with client.chat.completions.stream(**asked) as events:
                return events.get_final_completion()

        first, second = final(), final()
    assert first.choices[0].message.content
    assert first.to_dict() == second.to_dict()
    assert_charged_once(owner, replays=1)


def test_the_sdk_waits_for_the_first_by_itself(customer, gate: Gate):
    """A 409 says that it may be retried, and when: the SDK does so, and gets the first one's answer."""
    owner = customer()
    refusals: list[int] = []

    def seen(response: httpx.Response) -> None:
        if response.status_code == 409:
            refusals.append(response.status_code)
            gate.open()

    watched = httpx.Client(event_hooks={"response": [seen]})
    with openai.OpenAI(base_url=owner.v1, api_key=owner.token, http_client=watched, max_retries=10) as client, ThreadPoolExecutor() as pool:
        first = pool.submit(ask, owner, gate.text)
        gate.wait()
        answer = client.chat.completions.create(**body(gate.text), extra_headers={"Idempotency-Key": "mine"})
    assert refusals
    assert answer.id == first.result().json()["id"]
    assert_charged_once(owner, replays=1)
