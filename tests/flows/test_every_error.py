"""Every row of the error table, provoked once by a real request: status, envelope and headers are what the table says.

`PROVOKED` and `OUT_OF_REACH` together are the table, so that a new row can't come without a request that shows it. A stream that
fails before its first output is answered alike.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.db.models import F

from contract import limits
from contract.errors import ERRORS
from contract.ids import new_id
from keys import tokens
from tests.contract.wire import eventually
from tests.customer import Customer
from tests.factories import AccountFactory, ApiKeyFactory
from tests.gate import Gate, calling
from tests.relay import Relay
from wallets import budgets
from wallets.models import IdempotencyKey, Process, Wallet
from wallets.sweeper import sweep

BODY = {"model": "MiniMax-M2.7", "messages": [{"role": "user", "content": "Say hi in five words."}]}


class World:
    """A site, its customers, and requests to it under an id of the caller's own."""

    def __init__(self, site: Any, customer: Callable[..., Customer], gate: Gate, *, stream: bool) -> None:
        self.site, self.customer, self.gate = site, customer, gate
        self.request_id = new_id("mine")
        self.body = {**BODY, "stream": stream}

    def ask(
        self, token: str | None, *, v1: str = "", method: str = "POST", path: str = "/chat/completions", **given: Any
    ) -> httpx.Response:
        """`given` is httpx's: `json`, `content`, `headers`. Without them the body is a good one."""
        headers = {"X-Request-Id": self.request_id, **({"Authorization": f"Bearer {token}"} if token else {}), **given.pop("headers", {})}
        if not given and method == "POST":
            given["json"] = self.body
        return httpx.request(method, f"{v1 or self.site.v1}{path}", headers=headers, timeout=60, **given)

    def chat(self, text: str = "", *, owner: Customer | None = None, **fields: Any) -> httpx.Response:
        """A chat call of a customer who has credits, which the sandbox treats as `text` says."""
        messages = [{"role": "user", "content": text}] if text else BODY["messages"]
        return self.ask((owner or self.customer()).token, json={**self.body, "messages": messages, **fields})


def of_a_suspended_account(world: World) -> httpx.Response:
    return world.ask(ApiKeyFactory(account=AccountFactory(status="suspended")).token)


def with_a_key_that_is_not_for_this(world: World) -> httpx.Response:
    return world.ask(ApiKeyFactory(scopes=["read"]).token)


def while_another_call_has_the_only_slot(world: World) -> httpx.Response:
    owner = world.customer(max_in_flight=1)
    with calling(owner, world.gate.text):
        world.gate.wait()
        answer = world.chat(owner=owner)
        world.gate.open()
    return answer


KEYED = {"Idempotency-Key": "mine"}


def under_a_key_that_stands_for_another_body(world: World) -> httpx.Response:
    token = world.customer().token
    assert world.ask(token, headers=KEYED).status_code == 200
    return world.ask(token, headers=KEYED, json={**world.body, "user": "somebody"})


def while_the_first_with_its_key_runs(world: World) -> httpx.Response:
    owner = world.customer()
    token = owner.token
    body = {**world.body, "messages": [{"role": "user", "content": world.gate.text}]}
    with ThreadPoolExecutor() as pool:
        pool.submit(world.ask, token, headers=KEYED, json=body)
        world.gate.wait()
        # It has just begun, however slow the machine
        IdempotencyKey.objects.filter(wallet=owner.wallet).update(created_at=F("created_at") + dt.timedelta(minutes=1))
        answer = world.ask(token, headers=KEYED, json=body)
        world.gate.open()
    return answer


def answered_by_a_process_that_was_given_up(world: World) -> httpx.Response:
    """It looked dead, so the sweeper gave the hold back; then its provider answers after all."""
    owner = world.customer()
    owner.http.headers["X-Request-Id"] = world.request_id

    def given_up() -> bool:
        Process.objects.filter(pk=owner.record.process_id).update(seen_at=F("seen_at") - dt.timedelta(seconds=21))
        sweep(gone_seconds=6)  # the silence counts from PostgreSQL's own start, and the tests' server may be younger than that
        return owner.record.status == "released"

    with calling(owner, world.gate.text) as outcome:
        world.gate.wait()
        assert eventually(given_up)
        world.gate.open()
    assert owner.entries == []
    answer: httpx.Response = outcome[0]
    return answer


def while_the_database_is_away(world: World) -> httpx.Response:
    database = urlsplit(world.site.database_url)
    relay = Relay(database.hostname or "", database.port or 5432)
    user = database.netloc.rpartition("@")[0]
    web = world.site.start_web({"DATABASE_URL": database._replace(netloc=f"{user}@127.0.0.1:{relay.port}").geturl()})
    try:
        relay.cut()
        return world.ask(world.customer().token, v1=web.v1)
    finally:
        relay.restore()
        web.stop()


def after_somebody_took_the_wallet_away_by_hand(world: World) -> httpx.Response:
    """Nothing in beatra deletes a wallet, so that nothing of beatra foresees it; the process has just read the key."""
    owner = world.customer(balance=0)
    world.ask(owner.token, json={})
    Wallet.objects.filter(pk=owner.wallet.pk).delete()
    return world.ask(owner.token)


def with_a_key_that_may_spend_nothing(world: World) -> httpx.Response:
    owner = world.customer()
    budgets.set_caps(owner.wallet, key_id=owner.key.pk, limits={"month": Decimal(0)}, actor=None)
    return world.chat(owner=owner)


@dataclass(frozen=True, slots=True)
class Row:
    """What provokes a row of the table, and what of the envelope and of the headers is there only sometimes."""

    provoke: Callable[[World], httpx.Response]
    param: str | None = None
    details: frozenset[str] = frozenset()
    headers: tuple[tuple[str, str], ...] = ()


BALANCE_DETAILS = frozenset({"required_credits", "available_credits", "affordable_output_tokens", "topup_url"})
BEARER = (("WWW-Authenticate", "Bearer"),)

PROVOKED = {
    "unauthorized": Row(lambda world: world.ask(None), headers=BEARER),
    "invalid_api_key": Row(lambda world: world.ask(tokens.new_token()), headers=BEARER),
    "tenant_disabled": Row(of_a_suspended_account),
    "forbidden": Row(with_a_key_that_is_not_for_this, details=frozenset({"limit"})),
    "insufficient_balance": Row(lambda world: world.chat(owner=world.customer(balance=0)), details=BALANCE_DETAILS),
    "spend_limit_reached": Row(with_a_key_that_may_spend_nothing, details=frozenset({"limit_credits", "window", "resets_at"})),
    "billing_failed": Row(answered_by_a_process_that_was_given_up),
    "invalid_request": Row(lambda world: world.chat(temperature="hot"), param="/temperature", details=frozenset({"errors"})),
    "context_length_exceeded": Row(lambda world: world.chat("word " * 210_000), param="/messages"),
    "unsupported_model": Row(lambda world: world.chat(model="no-such-model"), param="/model"),
    "unsupported_option": Row(
        lambda world: world.chat(logprobs=True), param="/logprobs", details=frozenset({"errors", "unsupported_fields"})
    ),
    "safety_rejected": Row(lambda world: world.chat('[[status=400 code=content_filter message="against our content policy"]]')),
    "not_found": Row(lambda world: world.ask(world.customer().token, path="/responses")),
    "method_not_allowed": Row(lambda world: world.ask(world.customer().token, method="GET"), headers=(("Allow", "POST, OPTIONS"),)),
    "idempotency_conflict": Row(under_a_key_that_stands_for_another_body),
    "idempotency_in_progress": Row(while_the_first_with_its_key_runs, headers=(("Retry-After", "1"),)),
    "payload_too_large": Row(lambda world: world.ask(world.customer().token, content=bytes(limits.CHAT_BODY + 1))),
    "unsupported_media_type": Row(lambda world: world.ask(world.customer().token, content="hi", headers={"Content-Type": "text/plain"})),
    "headers_too_large": Row(lambda world: world.ask(world.customer().token, headers={"X-Filler": "x" * limits.HEADERS})),
    "rate_limited": Row(while_another_call_has_the_only_slot, headers=(("Retry-After", "2"),), details=frozenset({"limit"})),
    "model_unavailable": Row(lambda world: world.chat("[[status=429 retry_after=7]]"), headers=(("Retry-After", "7"),)),
    "upstream_error": Row(lambda world: world.chat("[[status=500]]")),
    "upstream_timeout": Row(lambda world: world.chat("[[status=504]]")),
    "service_unavailable": Row(while_the_database_is_away, headers=(("Retry-After", "2"),)),
    "internal_error": Row(after_somebody_took_the_wallet_away_by_hand),
}

OUT_OF_REACH = {
    "unsupported_capability": "models of music, which everybody shares, would have to be off (tests/tasks_app/test_creating.py)",
    "task_already_terminal": "there are no tasks",
}

SOMETIMES = ("WWW-Authenticate", "Allow", "Retry-After")


def test_every_row_is_provoked_or_named_as_out_of_reach():
    assert not PROVOKED.keys() & OUT_OF_REACH.keys()
    assert PROVOKED.keys() | OUT_OF_REACH.keys() == ERRORS.keys()


# What is found out with the answer in hand, or before the body is read, or takes too long to be shown twice
NOT_OF_A_STREAM = {
    "billing_failed",
    "not_found",
    "method_not_allowed",
    "payload_too_large",
    "unsupported_media_type",
    "service_unavailable",
}
ASKED = [(code, False) for code in PROVOKED] + [(code, True) for code in PROVOKED if code not in NOT_OF_A_STREAM]


@pytest.mark.parametrize(("code", "stream"), ASKED, ids=[f"{code}-{'stream' if stream else 'whole'}" for code, stream in ASKED])
def test_it_is_answered_as_the_table_says(site: Any, customer: Callable[..., Customer], gate: Gate, code: str, stream: bool):
    world, row, entry = World(site, customer, gate, stream=stream), PROVOKED[code], ERRORS[code]
    answer = row.provoke(world)
    assert (answer.status_code, answer.headers["Content-Type"]) == (entry.status, "application/json"), answer.text[:500]

    ((name, error),) = answer.json().items()
    optional = {"param"} if row.param else set()
    optional |= {"details"} if row.details else set()
    assert (name, error.keys()) == ("error", {"code", "message", "retryable", "request_id"} | optional)
    assert (error["code"], error["retryable"], error.get("param")) == (code, entry.retryable, row.param)
    assert error["message"].endswith(".")
    assert error.get("details", {}).keys() == row.details

    assert error["request_id"] == answer.headers["X-Request-Id"] == world.request_id
    assert answer.headers["x-should-retry"] == str(entry.retryable).lower()
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "x-should-retry" in answer.headers["Access-Control-Expose-Headers"]
    assert {name: answer.headers[name] for name in SOMETIMES if name in answer.headers} == dict(row.headers)
