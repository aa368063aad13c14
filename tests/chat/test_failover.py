"""Failover: until the first output a failed try goes on to the next route, then under `auto` to the next model, and the hold with it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from beatra_site.dashboard.receipt import receipt_of
from catalog.models import Model
from contract.ids import new_id
from keys.models import ApiKey
from tests.chat.events import opened, parsed, streamed
from tests.chat.priced_model import priced_model
from tests.chat.raw_provider import RawProvider, delta, events, said, whole
from tests.customer import Customer
from tests.gate import Gate, assert_nothing_held, calling
from wallets import budgets, holds
from wallets.audit import audit
from wallets.holds import Release
from wallets.money import as_text

DOWN = whole({"error": {"message": "down"}}, status="503 Service Unavailable")


class Auto:
    """A list of models that `auto` walks for a customer, and no others."""

    def __init__(self, v1: str) -> None:
        self.v1 = v1
        self.models: list[str] = []

    def model(self, **fields: Any) -> str:
        """One more, after those there are."""
        self.models.append(priced_model(self.v1, auto_rank=1000 + len(self.models), **fields))
        return self.models[-1]

    def customer(self, **fields: Any) -> Customer:
        owner = Customer(self.v1, **fields)
        ApiKey.objects.filter(pk=owner.key.pk).update(allowed_models=self.models)
        return owner


@pytest.fixture
def auto(site: Any, committed: None) -> Iterator[Auto]:
    auto = Auto(site.v1)
    yield auto
    Model.objects.filter(pk__in=auto.models).update(enabled=False)


def script(sandbox: str, *steps: dict[str, Any]) -> str:
    """A text whose calls meet these faults at the sandbox, one after another, and after them none."""
    marker = new_id("script")
    httpx.post(f"{sandbox}/control/scripts", json={"marker": marker, "steps": steps}).raise_for_status()
    return f"[[script:{marker}]] Say hi in five words."


def tried(owner: Customer) -> list[tuple[str, str, str]]:
    """The tries on the customer's one receipt: model, route and what came of it."""
    return [(line["model"], line["route"], line["outcome"]) for line in owner.record.attempts]


# The next route


@pytest.mark.parametrize("transport", ["native", "litellm"])
@pytest.mark.parametrize("stream", [False, True], ids=["sync", "stream"])
def test_a_failed_try_goes_on_to_the_next_route(site, customer, transport: str, stream: bool):
    id = priced_model(site.v1, transport=transport, backups=["", "", "", "", ""])
    owner = customer()
    text = script(site.sandbox, {"status": 500}, {"status": 429}, {"status": 401}, {"status": 410}, {"cut": "reset"})
    if stream:
        answer = streamed(owner, text, model=id)
        assert (answer.status, answer.done, len(answer.content.split())) == (200, True, 5)
    else:
        assert owner.chat(text, model=id).status_code == 200
    assert tried(owner) == [
        (id, "sandbox", "upstream_error"),
        (id, "backup-1", "model_unavailable"),
        (id, "backup-2", "upstream_error"),
        (id, "backup-3", "upstream_error"),
        (id, "backup-4", "upstream_error"),
        (id, "backup-5", "answered"),
    ]
    record = owner.record
    assert (record.status, record.clause, record.route, record.absorbed_cost_usd) == ("charged", "complete", "backup-5", 0)
    assert len(owner.entries) == 1
    assert [try_.outcome for try_ in receipt_of(record).tries] == ["failed", "was overloaded", "failed", "failed", "failed", "answered"]
    assert_nothing_held(owner)


@pytest.mark.parametrize("stream", [False, True], ids=["sync", "stream"])
def test_a_provider_that_cannot_be_reached_is_one_of_them(site, customer, stream: bool):
    id = priced_model(site.v1, base_url="http://127.0.0.1:9/v1", backups=[""])
    owner = customer()
    assert owner.chat(model=id, stream=stream).status_code == 200
    assert [outcome for *_, outcome in tried(owner)] == ["upstream_error", "answered"]


@pytest.mark.parametrize("stream", [False, True], ids=["sync", "stream"])
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("status=400", "invalid_request"),
        ("status=404", "upstream_error"),
        ("status=413", "payload_too_large"),
        ("status=422", "invalid_request"),
        ("status=400 code=content_filter", "safety_rejected"),
        ("context_window=1", "context_length_exceeded"),
    ],
)
def test_what_every_route_would_refuse_is_not_tried_again(site, customer, two_routes: str, fault: str, code: str, stream: bool):
    owner = customer()
    response = owner.chat(f"[[{fault}]]", model=two_routes, stream=stream)
    assert response.json()["error"]["code"] == code
    assert tried(owner) == [(two_routes, "sandbox", code)]
    assert_nothing_held(owner)


@pytest.fixture(scope="module")
def two_routes(site: Any, django_db_blocker: Any) -> str:
    with django_db_blocker.unblock():
        return priced_model(site.v1, backups=[""])


@pytest.mark.parametrize("stream", [False, True], ids=["sync", "stream"])
def test_the_last_failure_is_answered(site, customer, two_routes: str, stream: bool):
    owner = customer()
    text = script(site.sandbox, {"status": 500}, {"status": 429, "retry_after": 7})
    response = owner.chat(text, model=two_routes, stream=stream)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "model_unavailable")
    assert response.headers["retry-after"] == "7"
    assert 'model "auto"' in response.json()["error"]["message"]
    assert (owner.record.clause, owner.record.error_code) == ("upstream_failed", "model_unavailable")
    assert owner.wallet.balance == 1000
    assert_nothing_held(owner)


def test_a_pinned_model_never_changes_to_another(site, auto):
    first = auto.model()
    auto.model()
    owner = auto.customer()
    assert owner.chat("[[status=500]]", model=first).status_code == 502
    assert tried(owner) == [(first, "sandbox", "upstream_error")]


def test_a_call_that_failed_on_every_route_names_the_last_one(site, customer, two_routes: str):
    """They cost the same, so its hold stays as it was."""
    owner = customer()
    assert owner.chat("[[status=500]]", model=two_routes).status_code == 502
    assert (owner.record.route, owner.record.attempts[-1]["route"]) == ("backup-1", "backup-1")
    assert_nothing_held(owner)


# What the caller of a stream sees


def test_a_try_that_failed_before_the_first_output_leaves_no_trace(customer, site):
    """It had sent two of three finish reasons."""
    broken = events(delta(0, finish="stop"), delta(1, finish="stop"), {"error": {"message": "down"}})
    with RawProvider(broken) as first, RawProvider() as second:
        second.then(events(*(delta(i, content=f"{i}!") for i in range(3)), *(delta(i, finish="stop") for i in range(3))))
        id = priced_model(site.v1, base_url=first.base_url, backups=[second.base_url], supported_fields=["n"])
        owner = customer()
        answer = streamed(owner, model=id, n=3)
    assert [answer.said(index) for index in range(3)] == ["0!", "1!", "2!"]
    assert answer.reasons == ["stop"] * 3
    assert sum("role" in choice["delta"] for chunk in answer.chunks for choice in chunk["choices"]) == 3
    assert [outcome for *_, outcome in tried(owner)] == ["upstream_error", "answered"]


def test_after_the_first_output_no_other_route_is_tried(site, customer, two_routes: str):
    owner = customer()
    answer = streamed(owner, script(site.sandbox, {"cut": "abrupt", "cut_at": 3}), model=two_routes)
    assert answer.content
    assert answer.error is not None
    assert [outcome for *_, outcome in tried(owner)] == ["upstream_error"]
    assert owner.record.absorbed_cost_usd > 0


def test_a_stream_says_the_model_that_answered(site, auto):
    first, second = auto.model(), auto.model()
    owner = auto.customer()
    answer = streamed(owner, script(site.sandbox, {"status": 503}), model="auto")
    assert {chunk["model"] for chunk in answer.chunks} == {second}
    assert tried(owner) == [(first, "sandbox", "model_unavailable"), (second, "sandbox", "answered")]
    assert (owner.record.model_asked, owner.record.model) == ("auto", second)


def test_keep_alives_that_have_begun_go_on_into_the_next_try(site, customer, two_routes: str):
    web = site.start_web({"CHAT_KEEP_ALIVE_SECONDS": "0.3"})
    owner = customer()
    owner.v1 = web.v1
    gate = Gate(site.sandbox)
    with opened(owner, script(site.sandbox, {"gate": gate.name, "status": 503}), model=two_routes) as response:
        parts = response.iter_text()
        begun = next(parts)
        gate.open()
        answer = parsed(httpx.Response(200, text=begun + "".join(parts)))
    web.stop()
    assert begun == ": keep-alive\n\n"
    assert (answer.done, len(answer.content.split()), answer.reasons) == (True, 5, ["stop"])
    assert [outcome for *_, outcome in tried(owner)] == ["model_unavailable", "answered"]


# The next model


def test_each_model_is_sent_what_it_takes(site, auto):
    """Its own name, limit, least temperature and seed."""
    with RawProvider(DOWN) as first, RawProvider(whole(said("hi"))) as second:
        short = {"default_output_tokens": 50}
        takes = {"supported_fields": ["temperature", "seed"], "temperature_min": Decimal("0.1"), **short}
        auto.model(base_url=first.base_url, upstream="one", max_output_tokens=50, **takes)
        auto.model(base_url=second.base_url, upstream="two", max_output_tokens=70, supported_fields=["temperature"], **short)
        answer = auto.customer().chat("hello", model="auto", temperature=0, seed=7, max_tokens=60)
    assert (answer.status_code, answer.json()["model"]) == (200, auto.models[1])
    sent = [request.body for provider in (first, second) for request in provider.requests]
    assert [body["model"] for body in sent] == ["one", "two"]
    assert [body["messages"] for body in sent] == [[{"role": "user", "content": "hello"}]] * 2
    assert [(body.get("temperature"), body.get("seed")) for body in sent] == [(0.1, 7), (0.0, None)]
    assert [body.get("max_completion_tokens") or body["max_tokens"] for body in sent] == [50, 60]


@pytest.mark.parametrize("stream", [False, True], ids=["sync", "stream"])
def test_the_hold_is_moved_to_the_next_models_and_its_price_counts(site, auto, stream: bool):
    """100 tokens of output are held: 100 x 0.000002 x 1500 = 0.3000 credits, then 100 x 0.00001 x 2000 = 2.0000."""
    cheap = auto.model(input_usd="0.000001", output_usd="0.000002", markup="1500")
    dear = auto.model(input_usd="0.000001", output_usd="0.00001", markup="2000")
    owner = auto.customer()
    first, second = Gate(site.sandbox), Gate(site.sandbox)
    counts = {"usage": {"prompt_tokens": 1000, "completion_tokens": 50}}
    text = script(site.sandbox, {"gate": first.name, "status": 500}, {"gate": second.name, **counts})
    quoted = {
        id: owner.http.post(
            "/chat/completions/quote", json={"model": id, "messages": [{"role": "user", "content": text}], "max_tokens": 100}
        ).json()["hold_credits"]
        for id in (cheap, dear)
    }
    prompt = (Decimal(quoted[cheap]) - Decimal("0.3")) / 1500
    assert abs(Decimal(quoted[dear]) - Decimal(2) - prompt * 2000) < Decimal("0.0002")
    with calling(owner, text, model="auto", max_tokens=100, stream=stream) as outcome:
        for gate, id, markup in ((first, cheap, 1500), (second, dear, 2000)):
            gate.wait()
            wallet, record = owner.wallet, owner.record
            assert (wallet.held, wallet.in_flight, wallet.balance) == (Decimal(quoted[id]), 1, 1000)
            assert (record.model, as_text(record.hold_credits), record.credits_per_litellm_usd) == (id, quoted[id], markup)
            gate.open()
    assert outcome[0].status_code == 200
    # (1000 x 0.000001 + 50 x 0.00001) USD x 2000
    assert (owner.record.charged_credits, owner.record.model) == (Decimal("3.0000"), dear)
    assert owner.wallet.balance == Decimal("997.0000")
    assert_nothing_held(owner)


@pytest.mark.parametrize("stream", [False, True], ids=["sync", "stream"])
def test_a_model_that_the_wallet_cannot_carry_is_skipped(site, auto, stream: bool):
    cheap = auto.model()
    auto.model(output_usd="0.01")
    backup = auto.model()
    owner = auto.customer(balance="2")
    assert owner.chat(script(site.sandbox, {"status": 503}), model="auto", max_tokens=100, stream=stream).status_code == 200
    assert tried(owner) == [(cheap, "sandbox", "model_unavailable"), (backup, "sandbox", "answered")]
    assert_nothing_held(owner)


def cap(owner):
    budgets.set_caps(owner.wallet, key_id=owner.key.pk, limits={"day": Decimal(2)}, actor=None)


def test_a_model_that_a_cap_of_the_key_cannot_carry_is_skipped(site, auto):
    cheap = auto.model()
    auto.model(output_usd="0.01")
    backup = auto.model()
    owner = auto.customer()
    cap(owner)
    assert owner.chat(script(site.sandbox, {"status": 503}), model="auto", max_tokens=100).status_code == 200
    assert tried(owner) == [(cheap, "sandbox", "model_unavailable"), (backup, "sandbox", "answered")]
    assert_nothing_held(owner)


@pytest.mark.parametrize("capped", [False, True], ids=["wallet", "cap"])
def test_if_no_other_can_be_carried_the_failure_is_answered_and_never_402(site, auto, capped: bool):
    cheap = auto.model()
    auto.model(output_usd="0.01")
    owner = auto.customer(balance="2")
    if capped:
        owner = auto.customer()
        cap(owner)
    error = owner.chat("[[status=429]]", model="auto", max_tokens=100).json()["error"]
    assert error["code"] == "model_unavailable"
    assert tried(owner) == [(cheap, "sandbox", "model_unavailable")]
    assert (owner.record.model, owner.record.clause) == (cheap, "upstream_failed")
    assert owner.entries == []
    assert_nothing_held(owner)


def test_a_model_whose_context_is_too_small_is_skipped(site, auto):
    wide = auto.model()
    auto.model(context_window=500, max_output_tokens=10, default_output_tokens=10)
    backup = auto.model()
    owner = auto.customer()
    assert owner.chat(script(site.sandbox, {"status": 503}) + " word" * 1000, model="auto").status_code == 200
    assert [model for model, *_ in tried(owner)] == [wide, backup]


def test_a_call_whose_record_was_closed_meanwhile_goes_no_further(site, auto):
    auto.model()
    auto.model(output_usd="0.00001")
    owner = auto.customer()
    gate = Gate(site.sandbox)
    with calling(owner, script(site.sandbox, {"gate": gate.name, "status": 500}), model="auto") as outcome:
        gate.wait()
        holds.release([Release(usage_id=owner.record.pk, wallet_id=owner.wallet.pk, clause="lost", outcome="failed")])
        gate.open()
    assert outcome[0].json()["error"]["code"] == "billing_failed"
    assert (owner.record.status, owner.record.clause, owner.record.attempts) == ("released", "lost", [])
    assert_nothing_held(owner)


# Under an Idempotency-Key


@pytest.mark.parametrize("stream", [False, True], ids=["sync", "stream"])
def test_a_retry_gets_the_answer_of_the_model_that_gave_it(auto: Auto, site, stream: bool):
    """Nothing of the try before it is in what was stored, and no model is tried again."""
    first, second = auto.model(), auto.model()
    owner = auto.customer()
    owner.http.headers["Idempotency-Key"] = "mine"
    text = script(site.sandbox, {"cut": "clean", "cut_at": "role"} if stream else {"status": 500})
    answer, again = (owner.chat(text, model="auto", stream=stream) for _ in range(2))
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    if stream:
        one, other = parsed(answer), parsed(again)
        assert (other.content, other.reasons, other.usage) == (one.content, one.reasons, one.usage)
        assert {chunk["model"] for chunk in other.chunks} == {second}
        assert [chunk["choices"][0]["delta"].get("role") for chunk in other.chunks].count("assistant") == 1
    else:
        assert again.content == answer.content
        assert again.json()["model"] == second
    charged, replay = owner.records
    assert [line["model"] for line in charged.attempts] == [first, second]
    assert (replay.model, replay.replay_of, replay.attempts, len(owner.entries)) == (second, charged.id, [], 1)
    assert_nothing_held(owner)


# Time


@pytest.fixture(scope="module")
def hasty(site: Any) -> Iterator[Any]:
    web = site.start_web({"CHAT_FIRST_OUTPUT_SECONDS": "1", "CHAT_TOTAL_SECONDS": "1.5"})
    yield web
    web.stop()


def test_a_route_that_says_nothing_in_time_is_left_for_the_next(site, customer, hasty, two_routes: str):
    """What it may bill is ours: the prompt, at 0.000001 USD a token."""
    owner = customer()
    owner.v1 = hasty.v1
    answer = streamed(owner, script(site.sandbox, {"stall_ms": "forever", "stall_at": "role"}), model=two_routes)
    assert answer.done
    assert [outcome for *_, outcome in tried(owner)] == ["upstream_timeout", "answered"]
    record = owner.record
    assert record.clause == "complete"
    assert 0 < record.absorbed_cost_usd == record.absorbed_cost_usd.quantize(Decimal("0.000001")) < Decimal("0.0001")


@pytest.mark.parametrize(("stream", "tries"), [(False, 1), (True, 2)], ids=["sync", "stream"])
def test_all_tries_share_one_time(site, customer, hasty, stream: bool, tries: int):
    """Three routes would take three seconds; a second and a half is all there is."""
    id = priced_model(hasty.v1, backups=["", ""])
    owner = customer()
    owner.v1 = hasty.v1
    error = owner.chat("[[stall_ms=forever]]", model=id, stream=stream).json()["error"]
    assert error["code"] == "upstream_timeout"
    assert [outcome for *_, outcome in tried(owner)] == ["upstream_timeout"] * tries
    assert (owner.record.clause, owner.wallet.balance) == ("upstream_failed", 1000)
    assert owner.record.absorbed_cost_usd > 0
    assert_nothing_held(owner)


def test_the_audit_is_clean_after_all_of_it(site, committed):
    assert audit() == []
