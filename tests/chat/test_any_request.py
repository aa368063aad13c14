"""No body, whatever it says, gets anything but the contract's words; and none is charged unless it is answered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.seed import SEEDS
from chat.schema import ChatRequest
from contract.errors import ERRORS
from tests.chat.events import parsed
from tests.chat.pictures import PNG, data_uri
from tests.customer import Customer
from tests.from_schema import JUNK, TEXT, from_schema, garbled, spoiled

BALANCE = Decimal(1_000_000)
KNOWN = {
    "model": st.sampled_from(["auto", *(seed.id for seed in SEEDS)]),
    "url": st.sampled_from([data_uri(PNG), "https://pictures.example/a.png"]),
    "max_tokens": st.none() | st.integers(1, 50),
    "max_completion_tokens": st.none() | st.integers(1, 50),
    "model_options": st.none()
    | st.dictionaries(st.sampled_from(["top_k", "repetition_penalty", "api_base"]), st.integers(0, 200) | JUNK, max_size=2),
    "metadata": st.none() | st.dictionaries(TEXT, TEXT | st.none(), max_size=2),
}
# Most fields of most bodies are left out: else hardly one would be answered
RIGHT = from_schema(ChatRequest.model_json_schema(), known=KNOWN)
PLAIN = st.fixed_dictionaries(
    {
        "model": KNOWN["model"],
        "messages": st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "system"]), "content": TEXT}), min_size=1, max_size=3),
    }
)


@st.composite
def few_fields(draw: Callable[..., Any]) -> dict[str, Any]:
    """A plain conversation with up to three fields of a whole body."""
    whole, plain = draw(RIGHT), draw(PLAIN)
    names = draw(st.lists(st.sampled_from(sorted(whole)), max_size=3, unique=True))
    return {**plain, **{name: whole[name] for name in names if name != "model"}}


BODIES = st.one_of(
    few_fields().map(json.dumps),
    few_fields().map(json.dumps),
    spoiled(few_fields()).map(json.dumps),
    RIGHT.map(json.dumps),
    garbled(few_fields()),
)


class Books:
    """What a customer's wallet must say after each call."""

    def __init__(self, owner: Customer) -> None:
        self.owner = owner
        self.spent = Decimal(0)
        self.outcomes: Counter[str] = Counter()

    def check(self, body: str | bytes) -> None:
        response = self.owner.http.post("/chat/completions", content=body, headers={"Content-Type": "application/json"})
        assert response.headers["x-request-id"]
        self.outcomes[self._refused(response) if response.status_code != 200 else self._answered(response)] += 1
        wallet = self.owner.wallet
        assert (wallet.balance, wallet.held, wallet.in_flight) == (BALANCE - self.spent, 0, 0)

    def _refused(self, response: httpx.Response) -> str:
        assert response.headers["content-type"].startswith("application/json")
        assert set(response.json()) == {"error"}
        error = response.json()["error"]
        row = ERRORS[error["code"]]
        assert response.status_code == row.status < 500, response.text
        assert set(error) <= {"code", "message", "retryable", "request_id", "param", "details"}
        assert (error["retryable"], error["request_id"]) == (row.retryable, response.headers["x-request-id"])
        assert response.headers["x-should-retry"] == str(row.retryable).lower()
        assert error["message"]
        return str(error["code"])

    def _answered(self, response: httpx.Response) -> str:
        if response.headers["content-type"].startswith("text/event-stream"):
            stream = parsed(response)
            assert stream.done, stream.text
            usage = stream.usage
        else:
            usage = response.json()["usage"]
        self.spent += Decimal(usage["credits"])
        return "answered"


def hold_over(owner: Customer, *, examples: int) -> Counter[str]:
    """What came of so many bodies, each of which was held to what is true of all."""
    books = Books(owner)

    @settings(max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(body=BODIES)
    def run(body: str | bytes) -> None:
        books.check(body)

    run()
    assert len(owner.entries) == books.outcomes["answered"]
    return books.outcomes


def test_any_body_is_answered_or_refused_and_charged_only_if_answered(customer):
    outcomes = hold_over(customer(balance=BALANCE, requests_per_minute=1_000_000), examples=200)
    assert {"answered", "invalid_request", "unsupported_option"} <= set(outcomes)
    assert outcomes["answered"] > 20, outcomes


@pytest.mark.slow
def test_thousands_of_bodies_are(customer):
    assert hold_over(customer(balance=BALANCE, requests_per_minute=1_000_000), examples=2000)["answered"] > 500
