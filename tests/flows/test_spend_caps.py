"""Spend caps over HTTP: counted across processes, changed while calls run, and given back by a process that died."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx
import pytest
from django.db.models import F

from tests.chat.priced_model import priced_model
from tests.contract.wire import error_of, eventually
from tests.customer import Customer
from tests.flows.test_exact_admission import INPUT_USD, LIMIT, MARKUP, OUTPUT_USD, worst_case
from tests.gate import Gate, assert_nothing_held, calling
from tests.wallets.model import began
from wallets import budgets
from wallets.models import Process
from wallets.money import credits
from wallets.sweeper import sweep

CALLS, ADMITTED = 50, 10


@pytest.fixture(scope="module")
def model(site: Any, django_db_blocker: Any) -> str:
    with django_db_blocker.unblock():
        return priced_model(site.v1, input_usd=str(INPUT_USD), output_usd=str(OUTPUT_USD), markup=str(MARKUP))


def cap(owner: Customer, **limits: Decimal | None) -> None:
    given = {window: None if limit is None else credits(limit) for window, limit in limits.items()}
    budgets.set_caps(owner.wallet, key_id=owner.key.pk, limits=given, actor=None)


def counted(owner: Customer) -> list[tuple[Decimal, Decimal]]:
    """Spent and held of each cap."""
    return [(one.spent_credits, one.held_credits) for one in budgets.caps_of([owner.key.pk]).get(owner.key.pk, [])]


def ask(owner: Customer, v1: str, text: str, model: str) -> httpx.Response:
    body = {"model": model, "max_tokens": LIMIT, "messages": [{"role": "user", "content": text}]}
    return httpx.post(f"{v1}/chat/completions", json=body, headers=owner.headers, timeout=120)


def test_a_cap_for_10_of_50_calls_at_two_processes_admits_exactly_10(site, customer, gate: Gate, model: str):
    text, hold = worst_case(f"gate={gate.name}")
    owner = customer()
    cap(owner, week=hold * ADMITTED, total=hold * 1000)
    other = site.start_web()
    with ThreadPoolExecutor(CALLS) as pool:
        asked = [pool.submit(ask, owner, (site.v1, other.v1)[number % 2], text, model) for number in range(CALLS)]
        assert eventually(lambda: sum(one.done() for one in asked) == CALLS - ADMITTED, seconds=60)
        gate.wait(ADMITTED)
        assert counted(owner) == [(0, hold * ADMITTED)] * 2
        gate.open()
        answers = [one.result() for one in asked]
    other.stop()
    assert Counter(answer.status_code for answer in answers) == {200: ADMITTED, 429: CALLS - ADMITTED}
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {(error_of(one)["code"], one.headers["Retry-After"]) for one in refused} == {("rate_limited", "2")}
    assert {error_of(one)["message"] for one in refused} == {
        "Calls in flight hold what is left of this key's spend limit; retry when one of them has ended."
    }
    assert all(error_of(one)["details"] == {"limit": "spend_cap"} for one in refused)
    assert counted(owner) == [(hold * ADMITTED, 0)] * 2

    late = ask(owner, site.v1, text, model)
    resets_at = began("week", dt.datetime.now(dt.UTC)) + dt.timedelta(days=7)
    assert (late.status_code, error_of(late)["code"], error_of(late)["retryable"]) == (402, "spend_limit_reached", False)
    limit = f"{hold * ADMITTED:.4f}"
    assert f"credits, and less is left of this key's spend limit of {limit} credits a week." in error_of(late)["message"]
    assert error_of(late)["details"] == {
        "limit_credits": limit,
        "window": "week",
        "resets_at": f"{resets_at:%Y-%m-%dT%H:%M:%S}.000000Z",
    }
    assert_nothing_held(owner)


@pytest.mark.parametrize("change", ["set", "lowered", "removed"])
def test_a_change_while_a_call_runs_counts_from_the_next_hold(customer, gate: Gate, model: str, change: str):
    text, hold = worst_case("latency_ms=0")
    owner = customer()
    if change != "set":
        cap(owner, day=hold * 4)
        assert owner.chat(text, model=model, max_tokens=LIMIT).status_code == 200
    running, _ = worst_case(f"gate={gate.name}")
    with calling(owner, running, model=model, max_tokens=LIMIT) as outcome:
        gate.wait()
        cap(owner, day=None if change == "removed" else hold / 2)
        answer = owner.chat(text, model=model, max_tokens=LIMIT)
        assert answer.status_code == (200 if change == "removed" else 402), answer.text
        gate.open()
    assert outcome[0].status_code == 200
    assert len(counted(owner)) == (change != "removed")
    cap(owner, day=hold * 100)
    assert counted(owner) == [(sum(record.charged_credits for record in owner.records), 0)]
    assert_nothing_held(owner)


def test_what_a_killed_process_held_comes_back(site, customer, gate: Gate, model: str):
    text, hold = worst_case(f"gate={gate.name}")
    owner = customer()
    cap(owner, month=hold)
    web = site.start_web()
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(ask, owner, web.v1, text, model)
        gate.wait()
        assert counted(owner) == [(0, hold)]
        web.kill()
        with pytest.raises(httpx.HTTPError):
            lost.result()
    assert ask(owner, site.v1, text, model).status_code == 429

    def given_up() -> bool:
        Process.objects.filter(pk=owner.record.process_id).update(seen_at=F("seen_at") - dt.timedelta(seconds=21))
        sweep(gone_seconds=6)  # the silence counts from PostgreSQL's own start, and the tests' server may be younger than that
        return owner.record.status == "released"

    assert eventually(given_up)
    gate.open()
    assert counted(owner) == [(0, 0)]
    assert_nothing_held(owner)
