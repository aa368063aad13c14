"""Bad input over HTTP: each gets the contract's error with a request id, nothing is charged, nothing stays held."""

from __future__ import annotations

import datetime as dt
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.utils import timezone

from accounts.models import Account, User
from keys import tokens
from keys.models import ApiKey
from tests.chat.priced_model import priced_model
from tests.chat.test_bodies import WRONG

GOOD = {"model": "MiniMax-M2.7", "messages": [{"role": "user", "content": "hi"}]}


def assert_refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.headers["content-type"].startswith("application/json")
    error: dict[str, Any] = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert error["request_id"] == response.headers["x-request-id"]
    assert response.headers["x-should-retry"] == str(error["retryable"]).lower()
    return error


def assert_untouched(owner: Any) -> None:
    wallet = owner.wallet
    assert (wallet.balance, wallet.held, wallet.in_flight) == (1000, 0, 0)
    assert owner.entries == []
    assert owner.records == []


def text(content: str) -> bytes:
    return b'{"model": "MiniMax-M2.7", "messages": [{"role": "user", "content": "' + content.encode() + b'"}]}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"<xml/>",
        b'{"model": "MiniMax-M2.7", "messages": [}',
        b'{"model": "\xff\xfe", "messages": []}',
        b'\xef\xbb\xbf{"model": "MiniMax-M2.7"}',
        text("NUL \\u0000"),
        text("raw \0 NUL"),
        text("lone \\ud800 surrogate"),
        json.dumps(GOOD).encode()[:-1] + b', "temperature": 1e400}',
        json.dumps(GOOD).encode()[:-1] + b', "temperature": NaN}',
        json.dumps(GOOD).encode()[:-1] + b', "n": 1, "n": 8}',
        json.dumps(GOOD).encode()[:-1] + b', "seed": ' + b"9" * 5000 + b"}",
        json.dumps(GOOD).encode()[:-1] + b', "model_options": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        json.dumps({**GOOD, "messages": []}).encode(),
        json.dumps({**GOOD, "nonsense": 1}).encode(),
        json.dumps({**GOOD, "max_tokens": 5, "max_completion_tokens": 6}).encode(),
    ],
)
def test_a_body_that_is_no_chat_request_is_refused(customer, body: bytes):
    owner = customer()
    response = owner.http.post("/chat/completions", content=body, headers={"Content-Type": "application/json"})
    assert_refused(response, 400, "invalid_request")
    assert_untouched(owner)


@pytest.mark.parametrize(
    "content_type", ["application/xml", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", None]
)
def test_only_json_is_taken(customer, content_type: str | None):
    owner = customer()
    headers = {"Content-Type": content_type} if content_type else {}
    assert_refused(owner.http.post("/chat/completions", content=json.dumps(GOOD), headers=headers), 415, "unsupported_media_type")
    assert_untouched(owner)


def test_a_body_over_the_limit_is_refused_by_its_length_and_while_it_arrives(customer):
    owner = customer()
    body = text("x" * (33 * 1024 * 1024))
    headers = {"Content-Type": "application/json"}
    assert_refused(owner.http.post("/chat/completions", content=body, headers=headers), 413, "payload_too_large")
    pieces = (body[start : start + 1_048_576] for start in range(0, len(body), 1_048_576))
    assert_refused(owner.http.post("/chat/completions", content=pieces, headers=headers), 413, "payload_too_large")
    assert_untouched(owner)


def test_a_large_body_within_the_limit_is_answered(customer):
    owner = customer()
    response = owner.chat("word " * 600_000)
    assert_refused(response, 400, "context_length_exceeded")
    assert "maximum context length is" in response.json()["error"]["message"]
    assert_untouched(owner)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_another_method_is_refused_with_allow(customer, method: str):
    response = customer().http.request(method, "/chat/completions")
    assert_refused(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST, OPTIONS"


def test_a_bad_host_and_bad_bytes_in_the_path_get_the_envelope(customer):
    owner = customer()
    assert_refused(owner.http.post("/chat/completions", json=GOOD, headers={"Host": "evil.example"}), 400, "invalid_request")
    assert_refused(owner.http.post("/chat/%FF%FE", json=GOOD), 400, "invalid_request")
    assert_untouched(owner)


@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "t\u00e4g"])
def test_a_malformed_idempotency_key_is_refused(customer, key: str):
    owner = customer()
    response = owner.http.post("/chat/completions", json=GOOD, headers={"Idempotency-Key": key.encode()})
    assert_refused(response, 400, "invalid_request")
    assert_untouched(owner)


def test_a_trailing_slash_is_the_same_path(customer):
    assert customer().http.post("/chat/completions/", json=GOOD).status_code == 200


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic dTpw", "Bearer a b", "sk-bt-x"])
def test_no_or_a_malformed_header_is_unauthorized(site, header: str | None):
    headers = {} if header is None else {"Authorization": header}
    response = httpx.post(f"{site.v1}/chat/completions", json=GOOD, headers=headers)
    assert_refused(response, 401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"


def test_unknown_and_malformed_keys_are_invalid(customer):
    owner = customer()
    flipped = owner.token[:-1] + ("a" if owner.token[-1] != "a" else "b")
    for token in ("sk-bt-short", flipped, tokens.new_token()):
        owner.http.headers["Authorization"] = f"Bearer {token}"
        assert_refused(owner.http.post("/chat/completions", json=GOOD), 401, "invalid_api_key")
    assert_untouched(owner)


def test_an_expired_key_is_invalid(customer):
    owner = customer()
    ApiKey.objects.filter(pk=owner.key.pk).update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    assert_refused(owner.chat(), 401, "invalid_api_key")
    assert_untouched(owner)


@pytest.mark.parametrize("status", [Account.Status.SUSPENDED, Account.Status.CLOSED])
def test_a_suspended_or_closed_account_is_disabled(customer, status: str):
    owner = customer()
    Account.objects.filter(pk=owner.account.pk).update(status=status)
    assert_refused(owner.chat(), 403, "tenant_disabled")
    assert_untouched(owner)


def test_a_model_that_does_not_exist_or_is_disabled_is_unsupported(site, customer):
    owner = customer()
    disabled = priced_model(site.v1, input_usd="0.000001", output_usd="0.000001", markup="1", enabled=False)
    for model in ("no-such-model", disabled, "minimax-m2.7", "MiniMax-M2.7\n"):
        error = assert_refused(owner.chat(model=model), 400, "unsupported_model")
        assert error["param"] == "/model"
    assert_untouched(owner)


def test_a_field_the_model_does_not_take_is_named(site, customer):
    owner = customer()
    model = priced_model(site.v1, input_usd="0.000001", output_usd="0.000001", markup="1")
    error = assert_refused(owner.chat(model=model, logit_bias={"5": 1}, reasoning_effort="low"), 400, "unsupported_option")
    assert sorted(error["details"]["unsupported_fields"]) == ["logit_bias", "reasoning_effort"]
    assert_untouched(owner)


def test_the_callers_request_id_comes_back_unless_it_is_malformed(customer):
    owner = customer()
    assert owner.http.post("/chat/completions", json={}, headers={"X-Request-Id": "order-7"}).headers["x-request-id"] == "order-7"
    replaced = owner.http.post("/chat/completions", json={}, headers={"X-Request-Id": "x" * 129})
    assert replaced.headers["x-request-id"].startswith("req_")


def test_one_customer_never_spends_anothers_credits(customer):
    owner, stranger = customer(), customer()
    stranger.chat()
    assert_untouched(owner)
    assert stranger.wallet.balance < 1000


def test_a_strangers_body_is_not_read(site):
    """The answer comes while the body is still to come: nobody without a key makes us keep 30 MB."""
    origin = urlsplit(site.url)
    with socket.create_connection((origin.hostname, origin.port), timeout=10) as connection:
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 30000000\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 401")


def test_the_key_of_a_user_who_is_switched_off_is_refused(customer):
    owner = customer()
    User.objects.filter(pk=owner.account.user_id).update(is_active=False)
    assert_refused(owner.chat(), 403, "tenant_disabled")
    assert_untouched(owner)


def test_every_wrong_field_is_refused_by_its_place(customer):
    owner = customer()
    for fields, param in WRONG:
        error = assert_refused(owner.http.post("/chat/completions", json={**GOOD, **fields}), 400, "invalid_request")
        assert param in [line["param"] for line in error["details"]["errors"]]
        assert error["param"] == error["details"]["errors"][0]["param"]
    assert_untouched(owner)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"prediction": {"type": "content"}, "audio": {"voice": "alloy"}, "stop": "x"}, ["audio", "prediction"]),
        ({"store": True, "service_tier": "priority"}, ["service_tier", "store"]),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}], "modalities": ["audio"]}, ["modalities", "tools"]),
        ({"logprobs": True, "n": 2, "presence_penalty": 1, "model_options": {"top_k": 5}}, None),
    ],
)
def test_all_that_is_not_taken_is_named(customer, fields: dict[str, Any], named: list[str] | None):
    owner = customer()
    error = assert_refused(owner.http.post("/chat/completions", json={**GOOD, **fields}), 400, "unsupported_option")
    assert sorted(error["details"]["unsupported_fields"]) == (named or ["logprobs", "model_options.top_k", "n", "presence_penalty"])
    assert error["param"] == error["details"]["errors"][0]["param"]
    assert_untouched(owner)


@pytest.mark.parametrize(
    ("options", "param"),
    [({"top_k": "5"}, "top_k"), ({"top_k": 101}, "top_k"), ({"top_k": True}, "top_k"), ({"repetition_penalty": 2.5}, "repetition_penalty")],
)
@pytest.mark.parametrize("model", ["qwen-max", "auto"])
def test_an_option_of_the_wrong_type_or_out_of_range_is_refused_by_its_pointer(customer, model: str, options: dict[str, Any], param: str):
    owner = customer()
    error = assert_refused(owner.chat(model=model, model_options=options), 400, "invalid_request")
    assert error["param"] == f"/model_options/{param}"
    assert_untouched(owner)


def test_options_a_model_does_not_list_are_named_by_their_pointer(customer):
    owner = customer()
    error = assert_refused(owner.chat(model_options={"api_base": "x"}), 400, "unsupported_option")
    assert (error["param"], error["details"]["unsupported_fields"]) == ("/model_options/api_base", ["model_options.api_base"])
    assert_untouched(owner)
