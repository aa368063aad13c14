"""GET /v1/usage/{id} over HTTP: the receipt of a call, for its owner alone."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import get_args

import pytest

from contract.ids import new_id
from tests.answers import assert_shape
from tests.chat.events import streamed
from tests.chat.test_bad_input import assert_refused
from tests.factories import ApiKeyFactory
from tests.gate import Gate, calling
from wallets.answers import Clause, UsageReceipt
from wallets.models import UsageClause


def test_a_call_has_its_receipt(customer):
    owner = customer()
    response = owner.chat(model="auto", metadata={"order": "7"})
    answer = response.json()
    told = owner.http.get(f"/usage/{answer['id']}").json()
    assert_shape(told, UsageReceipt)
    usage, record = answer["usage"], owner.record
    usd = usage["prompt_tokens"] * Decimal("0.0000003") + usage["completion_tokens"] * Decimal("0.0000012")
    times = {"created_at": told["created_at"], "closed_at": told["closed_at"], "latency_ms": told["latency_ms"]}
    assert told == times | {
        "id": answer["id"],
        "object": "usage",
        "status": "charged",
        "clause": "complete",
        "outcome": None,
        "capability": "chat",
        "model": "auto",
        "resolved_model": "MiniMax-M2.7",
        "stream": False,
        "replay_of": None,
        "key_prefix": owner.key.prefix,
        "key_name": "test",
        "request_id": response.headers["x-request-id"],
        "prompt_tokens": usage["prompt_tokens"],
        "cached_tokens": 0,
        "cache_write_tokens": 0,
        "completion_tokens": usage["completion_tokens"],
        "reasoning_tokens": usage["completion_tokens_details"]["reasoning_tokens"],
        "estimated": False,
        "cost_usd": f"{usd:.12f}",
        "cost_lines": record.cost_lines,
        "credits_per_litellm_usd": "1500.0000",
        "credits_per_task": None,
        "price_version": record.price_version,
        "hold_credits": str(record.hold_credits),
        "credits": usage["credits"],
        "refunded_credits": "0.0000",
        "credits_per_usd_rate": "1000.0000",
        "credits_usd_reference": usage["credits_usd_reference"],
        "error_code": None,
        "first_output_ms": None,
        "metadata": {"order": "7"},
    }
    assert [list(line) for line in told["cost_lines"]] == [["class", "tokens", "usd_per_token", "usd"]] * 2
    assert datetime.fromisoformat(told["created_at"]) == record.created_at < datetime.fromisoformat(told["closed_at"])
    assert told["latency_ms"] == record.latency_ms
    assert {line["class"]: line["tokens"] for line in told["cost_lines"]} == {
        "input": usage["prompt_tokens"],
        "output": usage["completion_tokens"],
    }
    assert sum(Decimal(line["usd"]) for line in told["cost_lines"]) == usd


def test_a_stream_says_when_its_first_output_came(customer):
    owner = customer()
    answer = streamed(owner)
    told = owner.http.get(f"/usage/{owner.record.id}").json()
    assert_shape(told, UsageReceipt)
    assert (told["stream"], told["credits"]) == (True, answer.usage["credits"])
    assert 0 <= told["first_output_ms"] <= told["latency_ms"]


def test_tokens_that_we_counted_are_marked(customer):
    owner = customer()
    owner.chat("[[usage=missing]] Say hi in five words.")
    told = owner.http.get(f"/usage/{owner.record.id}").json()
    assert_shape(told, UsageReceipt)
    assert told["estimated"] is True


def test_a_call_that_failed_has_one_too(customer):
    owner = customer()
    owner.chat("[[status=500]]")
    told = owner.http.get(f"/usage/{owner.record.id}").json()
    assert_shape(told, UsageReceipt)
    assert (told["status"], told["clause"], told["error_code"]) == ("released", "upstream_failed", "upstream_error")
    assert (told["credits"], told["cost_usd"], told["credits_usd_reference"]) == ("0.0000", "0.000000000000", None)


def test_a_call_in_flight_is_open(customer, gate: Gate):
    owner = customer()
    with calling(owner, gate.text):
        gate.wait()
        told = owner.http.get(f"/usage/{owner.record.id}").json()
        gate.open()
    assert_shape(told, UsageReceipt)
    assert (told["status"], told["clause"], told["closed_at"], told["credits"]) == ("open", None, None, "0.0000")
    assert Decimal(told["hold_credits"]) > 0


def test_no_route_no_provider_and_no_cost_of_ours_is_in_it(customer):
    owner = customer()
    owner.chat("[[echo_model=secret-upstream-7]] hi")
    text = owner.http.get(f"/usage/{owner.record.id}").text
    for told in ("sandbox", "secret-upstream", "route", "attempts", "absorbed", "alert", "process", "cost_source"):
        assert told not in text


def test_every_key_of_the_account_sees_it(customer):
    owner = customer()
    id = owner.chat().json()["id"]
    other = ApiKeyFactory(account=owner.account)
    assert owner.http.get(f"/usage/{id}", headers={"Authorization": f"Bearer {other.token}"}).json()["id"] == id


@pytest.mark.parametrize(
    "id",
    [
        "none",
        new_id("chatcmpl"),
        new_id("tsk"),
        new_id("req"),
        "chatcmpl_",
        "chatcmpl_é" + "0" * 25,
        "chatcmpl_" + "0" * 5000,
        "%F0%9F%8E%B5",
        "..%2Fwallet",
        "%27%20or%201=1",
    ],
)
def test_an_unknown_id_is_the_404_that_anothers_is(customer, id: str):
    owner, stranger = customer(), customer()
    theirs = stranger.chat().json()["id"]
    errors = [assert_refused(owner.http.get(f"/usage/{asked}"), 404, "not_found") for asked in (id, theirs)]
    if "/" not in id and "%2F" not in id:
        assert errors[0]["message"] == errors[1]["message"]
        assert errors[0].keys() == errors[1].keys()


def test_every_clause_of_a_record_is_in_the_document():
    assert set(get_args(get_args(Clause)[0])) == set(UsageClause.values)
