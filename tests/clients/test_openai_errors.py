"""OpenAI's Python SDK when things go wrong: which of its exceptions is raised, and what it sends again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest

from contract.ids import new_id
from tests.contract.wire import eventually
from tests.customer import Customer
from tests.factories import AccountFactory, ApiKeyFactory
from tests.gate import Gate, assert_nothing_held, closed

MODEL = "MiniMax-M2.7"


def call(client: openai.OpenAI, text: str = "Say hi in five words.", **fields: Any) -> Any:
    return client.chat.completions.create(**{"model": MODEL, "messages": [{"role": "user", "content": text}], **fields})


def arrived(site: Any, request_id: str) -> int:
    """How many requests with this id of the caller's the site has answered."""
    last = new_id("last")
    httpx.get(f"{site.v1}/health", headers={"X-Request-Id": last})
    assert eventually(lambda: last in site.web.log)
    return sum(f'"request_id":"{request_id}"' in line and '"event":"request"' in line for line in site.web.log.splitlines())


FAILURES: list[tuple[type[openai.APIError], int, str, Callable[[openai.OpenAI], Any]]] = [
    (openai.BadRequestError, 400, "invalid_request", lambda client: call(client, temperature="hot")),
    (openai.BadRequestError, 400, "invalid_request", lambda client: call(client, extra_body={"temprature": 1})),
    (openai.BadRequestError, 400, "unsupported_model", lambda client: call(client, model="no-such-model")),
    (openai.BadRequestError, 400, "unsupported_option", lambda client: call(client, n=2)),
    (openai.BadRequestError, 400, "context_length_exceeded", lambda client: call(client, "[[context_window=1]]")),
    (openai.BadRequestError, 400, "safety_rejected", lambda client: call(client, "[[status=400 message=content_policy]]")),
    (openai.AuthenticationError, 401, "unauthorized", lambda client: call(client, extra_headers={"Authorization": "Basic eA=="})),
    (openai.AuthenticationError, 401, "invalid_api_key", lambda client: call(client.with_options(api_key="sk-proj-another"))),
    (openai.NotFoundError, 404, "not_found", lambda client: client.responses.create(model=MODEL, input="Hi")),
    (openai.NotFoundError, 404, "not_found", lambda client: client.completions.create(model=MODEL, prompt="Hi")),
    (openai.NotFoundError, 404, "not_found", lambda client: client.embeddings.create(model=MODEL, input="Hi")),
    (openai.NotFoundError, 404, "not_found", lambda client: client.models.retrieve("no-such-model")),
    (openai.APIStatusError, 413, "payload_too_large", lambda client: call(client, "[[status=413]]")),
    (openai.InternalServerError, 502, "upstream_error", lambda client: call(client, "[[status=500]]")),
    (openai.InternalServerError, 503, "model_unavailable", lambda client: call(client, "[[status=529]]")),
    (openai.InternalServerError, 504, "upstream_timeout", lambda client: call(client, "[[status=504]]")),
]


@pytest.mark.parametrize(("expected", "status", "code", "failing"), FAILURES, ids=[f"{row[2]}-{row[0].__name__}" for row in FAILURES])
def test_a_failure_is_the_sdks_own_exception_with_our_code(
    client: openai.OpenAI, expected: type[openai.APIStatusError], status: int, code: str, failing: Callable[[openai.OpenAI], Any]
):
    with pytest.raises(expected) as caught:
        failing(client.with_options(max_retries=0))
    error = caught.value
    assert (error.status_code, error.code) == (status, code)
    assert isinstance(error.body, dict)
    assert error.body["message"] in error.message
    assert error.body["request_id"] == error.request_id


def test_a_wrong_field_is_named(client: openai.OpenAI):
    with pytest.raises(openai.BadRequestError) as caught:
        call(client, temperature="hot")
    assert caught.value.param == "/temperature"


def test_the_wrong_apis_name_the_right_one(client: openai.OpenAI):
    with pytest.raises(openai.NotFoundError, match="/v1/chat/completions"):
        client.responses.create(model=MODEL, input="Hi")
    with pytest.raises(openai.NotFoundError, match="/v1/chat/completions"):
        call(client.with_options(base_url=str(client.base_url).replace("/v1/", "/")))


def test_a_suspended_account_and_an_empty_wallet_are_told_apart(site: Any, customer: Callable[..., Customer]):
    suspended = ApiKeyFactory(account=AccountFactory(status="suspended"))
    with pytest.raises(openai.PermissionDeniedError) as caught:
        call(openai.OpenAI(base_url=site.v1, api_key=suspended.token))
    assert caught.value.code == "tenant_disabled"
    with pytest.raises(openai.APIStatusError) as caught:
        call(openai.OpenAI(base_url=site.v1, api_key=customer(balance="0").token))
    assert (caught.value.status_code, caught.value.code) == (402, "insufficient_balance")
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["details"]["available_credits"] == "0.0000"


def test_too_many_calls_at_once_are_a_rate_limit(customer: Callable[..., Customer]):
    crowded = customer(max_in_flight=0)
    with pytest.raises(openai.RateLimitError) as caught:
        call(openai.OpenAI(base_url=crowded.v1, api_key=crowded.token, max_retries=0))
    assert (caught.value.code, caught.value.response.headers["retry-after"]) == ("rate_limited", "2")


# Retries


@pytest.mark.parametrize(
    ("given", "requests"),
    [
        ({"temperature": "hot"}, 1),
        ({"model": "no-such-model"}, 1),
        ({"text": "[[status=400]]"}, 1),
        ({"text": "[[status=413]]"}, 1),
        ({"text": "[[status=500]]"}, 2),
        ({"text": "[[status=429 retry_after=1]]"}, 2),
        ({"text": "[[status=504]]"}, 2),
    ],
    ids=str,
)
def test_it_sends_again_what_may_be_sent_again_and_nothing_else(site: Any, client: openai.OpenAI, given: Any, requests: int):
    own_id = new_id("mine")
    with pytest.raises(openai.APIStatusError):
        call(client.with_options(max_retries=1), **given, extra_headers={"X-Request-Id": own_id})
    assert arrived(site, own_id) == requests


def test_an_empty_wallet_is_not_asked_twice(site: Any, customer: Callable[..., Customer]):
    own_id, poor = new_id("mine"), customer(balance="0")
    with pytest.raises(openai.APIStatusError):
        call(openai.OpenAI(base_url=poor.v1, api_key=poor.token), extra_headers={"X-Request-Id": own_id})
    assert arrived(site, own_id) == 1


def test_a_call_that_succeeds_at_the_third_try_is_charged_once(site: Any, owner: Customer, client: openai.OpenAI):
    steps = [{"status": 500}, {"status": 503, "retry_after": 1}]
    script = httpx.post(f"{site.sandbox}/control/scripts", json={"marker": new_id("twice"), "steps": steps}).json()
    answer = call(client, f"{script['text']} Say hi in five words.")
    assert len((answer.choices[0].message.content or "").split()) == 5
    assert Counter(record.status for record in owner.records) == {"released": 2, "charged": 1}
    assert len(owner.entries) == 1
    assert_nothing_held(owner)


def test_a_client_that_waits_no_longer_is_charged_for_the_answer_it_left(owner: Customer, client: openai.OpenAI, gate: Gate):
    with pytest.raises(openai.APITimeoutError):
        call(client.with_options(timeout=0.5, max_retries=0), gate.text)
    gate.wait()
    gate.open()
    assert (closed(owner).clause, len(owner.entries)) == ("drained", 1)
    assert_nothing_held(owner)
