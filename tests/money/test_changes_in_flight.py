"""What changes while a call is at its provider: the price of its hold counts, the rate of its answer, and it runs to its end.

The example is always the same: 1000 tokens in at 0.000001 USD and 500 out at 0.000002 cost 0.00200 USD, x 1500 = 3.0000 credits,
for reference 0.0030 USD at 1000 credits per USD.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest
from django.db import transaction
from pytest_django import DjangoDbBlocker

from beatra_site.backoffice import suspending
from catalog import editing
from catalog.models import Model, Route
from keys import issuing
from tests.chat.events import parsed
from tests.chat.priced_model import priced_model
from tests.contract.wire import error_of, eventually
from tests.customer import Customer
from tests.factories import StaffFactory
from tests.gate import Gate, assert_nothing_held, calling
from wallets import ledger
from wallets.models import CreditsPerUsdRate, Wallet

THREE = Decimal("3.0000")
COUNTS = "usage.prompt_tokens=1000 usage.completion_tokens=500"
Change = Callable[[Customer, str], None]


def example_model(site: Any) -> str:
    return priced_model(site.v1, input_usd="0.000001", output_usd="0.000002", markup="1500")


@pytest.fixture(scope="module")
def model(site: Any, django_db_blocker: DjangoDbBlocker) -> str:
    """For tests that leave it alone."""
    with django_db_blocker.unblock():
        return example_model(site)


@pytest.fixture
def changing_model(site: Any, committed: None) -> str:
    return example_model(site)


@contextmanager
def at_its_provider(owner: Customer, gate: Gate, model: str, *, counts: str = COUNTS, **fields: Any) -> Iterator[list[httpx.Response]]:
    """While the body runs the call waits there; at its end the answer is in the list."""
    with calling(owner, f"[[gate={gate.name} {counts}]]", model=model, max_tokens=500, **fields) as outcome:
        gate.wait()
        try:
            yield outcome
        finally:
            gate.open()


def next_call(owner: Customer, model: str) -> httpx.Response:
    return owner.chat(f"[[{COUNTS}]]", model=model, max_tokens=500)


def assert_three_credits(owner: Customer, answer: httpx.Response, *, reference: str = "0.0030") -> None:
    """The call was answered, and its answer, receipt, entry and balance say 3.0000 at the price of its hold."""
    assert answer.status_code == 200, answer.text
    is_stream = answer.headers["content-type"].startswith("text/event-stream")
    usage = parsed(answer).usage if is_stream else answer.json()["usage"]
    assert (usage["credits"], usage["credits_usd_reference"]) == ("3.0000", reference)
    record = owner.records[0]
    assert (record.status, record.clause, record.charged_credits) == ("charged", "complete", THREE)
    assert (record.cost_usd, record.credits_per_litellm_usd, record.price_version) == (Decimal("0.002"), 1500, 1)
    assert str(record.credits_usd_reference) == reference
    assert [entry.amount for entry in owner.entries if entry.reference == f"charge:{record.pk}"] == [-THREE]


def test_a_new_markup_counts_from_the_next_hold(customer: Callable[..., Customer], gate: Gate, changing_model: str):
    """At 3000 the same call costs 6.0000 credits."""
    owner, model = customer(), changing_model
    with at_its_provider(owner, gate, model) as outcome:
        editing.add_price(Model.objects.get(pk=model), author=None, reason="dearer", credits_per_litellm_usd=Decimal(3000))
        assert eventually(lambda: next_call(owner, model).json()["usage"]["credits"] == "6.0000")
    assert_three_credits(owner, outcome[0])
    assert (owner.records[-1].charged_credits, owner.records[-1].price_version) == (Decimal("6.0000"), 2)
    assert_nothing_held(owner)


def test_a_new_price_of_litellm_counts_from_the_next_hold(customer: Callable[..., Customer], gate: Gate, changing_model: str):
    """At ten times the price 0.02000 USD x 1500 = 30.0000 credits."""
    owner, model = customer(), changing_model
    with at_its_provider(owner, gate, model) as outcome:
        route = Route.objects.get(model=model)
        dearer = {"input_cost_per_token": 0.00001, "output_cost_per_token": 0.00002}
        Route.objects.filter(pk=route.pk).update(cost_override={**route.cost_override, **dearer}, cost_version=2)
        assert eventually(lambda: next_call(owner, model).json()["usage"]["credits"] == "30.0000")
    assert_three_credits(owner, outcome[0])
    assert_nothing_held(owner)


def test_the_rate_at_the_time_of_the_response_counts(customer: Callable[..., Customer], gate: Gate, model: str):
    """3.0000 credits at 500 credits per USD are 0.0060 USD."""
    owner = customer()
    with at_its_provider(owner, gate, model) as outcome:
        CreditsPerUsdRate.objects.create(wallet=owner.wallet, value=Decimal(500), reason="a deal")
    assert_three_credits(owner, outcome[0], reference="0.0060")
    assert owner.wallet.balance == 1000 - THREE
    assert_nothing_held(owner)


def disable_model(owner: Customer, model: str) -> None:
    Model.objects.filter(pk=model).update(enabled=False)


def disable_route(owner: Customer, model: str) -> None:
    Route.objects.filter(model=model).update(enabled=False)


def revoke_key(owner: Customer, model: str) -> None:
    assert issuing.revoke(owner.key, actor=None)


def suspend_account(owner: Customer, model: str) -> None:
    assert suspending.suspend(owner.account, actor=StaffFactory(), reason="a test's")


def assert_it_runs_to_its_end(owner: Customer, gate: Gate, model: str, *, change: Change, refusal: str, stream: bool) -> None:
    with at_its_provider(owner, gate, model, stream=stream) as outcome:
        change(owner, model)
        # What is about the key or its account is known at once, what is about a model within seconds
        assert eventually(lambda: next_call(owner, model).status_code != 200)
        assert error_of(next_call(owner, model))["code"] == refusal
    assert_three_credits(owner, outcome[0])
    assert_nothing_held(owner)


@pytest.mark.parametrize("stream", [False, True], ids=["sync", "stream"])
@pytest.mark.parametrize(("change", "refusal"), [(disable_model, "unsupported_model"), (disable_route, "model_unavailable")])
def test_a_call_of_a_model_or_route_that_is_switched_off_runs_to_its_end(
    customer: Callable[..., Customer], gate: Gate, changing_model: str, change: Change, refusal: str, stream: bool
):
    assert_it_runs_to_its_end(customer(), gate, changing_model, change=change, refusal=refusal, stream=stream)


@pytest.mark.parametrize("stream", [False, True], ids=["sync", "stream"])
@pytest.mark.parametrize(("change", "refusal"), [(revoke_key, "invalid_api_key"), (suspend_account, "tenant_disabled")])
def test_a_call_of_a_key_or_account_that_is_switched_off_runs_to_its_end(
    customer: Callable[..., Customer], gate: Gate, model: str, change: Change, refusal: str, stream: bool
):
    assert_it_runs_to_its_end(customer(), gate, model, change=change, refusal=refusal, stream=stream)


def test_fewer_calls_in_flight_count_from_the_next_hold(customer: Callable[..., Customer], gate: Gate, model: str):
    owner = customer(max_in_flight=2)
    with at_its_provider(owner, gate, model) as outcome:
        Wallet.objects.filter(pk=owner.wallet.pk).update(max_in_flight=1)
        refused = next_call(owner, model)
        assert (refused.status_code, error_of(refused)["code"], refused.headers["Retry-After"]) == (429, "rate_limited", "2")
    assert_three_credits(owner, outcome[0])
    assert next_call(owner, model).json()["usage"]["credits"] == "3.0000"
    assert owner.wallet.balance == 1000 - 2 * THREE
    assert_nothing_held(owner)


def test_staff_can_take_all_but_what_a_call_holds(customer: Callable[..., Customer], gate: Gate, model: str):
    """20 tokens in and 500 out are 0.00102 USD x 1500 = 1.5300 credits; the rest of what was held comes back."""
    owner = customer()
    with at_its_provider(owner, gate, model, counts="usage.prompt_tokens=20 usage.completion_tokens=500") as outcome:
        held = owner.wallet.held
        with pytest.raises(ledger.NotEnoughCreditsError):
            put(owner, -1000)
        put(owner, held - 1000)
        refused = next_call(owner, model)
        assert (refused.status_code, error_of(refused)["code"]) == (429, "rate_limited")
    assert outcome[0].json()["usage"]["credits"] == "1.5300"
    assert owner.wallet.balance == held - Decimal("1.5300") > 0
    assert_nothing_held(owner)


def test_a_wallet_below_zero_takes_no_work_until_it_is_topped_up(customer: Callable[..., Customer], gate: Gate, model: str):
    """The provider counts 50 000 tokens of prompt where a few were estimated: 0.05000 USD and 0.00100 for the output, x 1500 = 76.5000."""
    owner = customer(balance=5)
    with at_its_provider(owner, gate, model, counts="usage.prompt_tokens=50000 usage.completion_tokens=500") as outcome:
        assert owner.wallet.held < 5
    assert outcome[0].json()["usage"]["credits"] == "76.5000"
    assert owner.wallet.balance == Decimal("-71.5000")
    refused = next_call(owner, model)
    assert (refused.status_code, error_of(refused)["code"]) == (402, "insufficient_balance")
    put(owner, Decimal("71.5000"), kind="grant")
    assert next_call(owner, model).status_code == 402
    put(owner, 10, kind="grant")
    assert next_call(owner, model).json()["usage"]["credits"] == "3.0000"
    assert owner.wallet.balance == 7
    assert_nothing_held(owner)


def put(owner: Customer, amount: Decimal | int, *, kind: str = "adjustment") -> None:
    with transaction.atomic():
        ledger.credit(owner.wallet, kind=kind, amount=Decimal(amount), reference=f"{kind}:{uuid.uuid4()}", reason="a test's")
