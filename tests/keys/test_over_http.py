"""Keys against running web processes."""

import time
from collections.abc import Callable

import httpx
import pytest

from accounts.models import Account
from keys import forgetting, issuing, tokens
from keys.models import ApiKey
from tests.contract.wire import connect, error_of, head, read_answer
from tests.factories import ApiKeyFactory


def ask(v1: str, token: str | None) -> httpx.Response:
    """A call that is refused in any case: by its key, else by its empty body."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{v1}/chat/completions", json={}, headers=headers, timeout=30)


def code(v1: str, token: str | None) -> str:
    return ask(v1, token).json()["error"]["code"]


def chat_head(token: str, *headers: str, length: int) -> bytes:
    own = ("Content-Type: application/json", f"Authorization: Bearer {token}", f"Content-Length: {length}")
    return head("POST", "/v1/chat/completions", *own, *headers)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("token", "expected"),
    [(None, "unauthorized"), ("sk-1", "invalid_api_key"), (tokens.new_token(), "invalid_api_key")],
    ids=["none", "malformed", "unknown"],
)
def test_a_stranger_gets_the_envelope(site, token: str | None, expected: str):
    response = ask(site.v1, token)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (401, expected)
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.headers["X-Request-Id"] == error["request_id"]
    assert token is None or token not in response.text


def test_a_revocation_reaches_every_web_process(site, committed):
    key, processes = ApiKeyFactory(), [site.v1, site.start_web().v1]
    assert [code(v1, key.token) for v1 in processes] == ["invalid_request"] * 2
    issuing.revoke(key, actor=None)
    until(lambda: [code(v1, key.token) for v1 in processes] == ["invalid_api_key"] * 2)


def test_the_body_of_a_key_that_was_never_issued_is_not_waited_for(site):
    with connect(httpx.URL(site.v1).port or 0) as connection:
        connection.sendall(chat_head(tokens.new_token(), length=33_000_000))
        assert error_of(read_answer(connection))["code"] == "invalid_api_key"


def test_a_key_revoked_while_its_body_comes_is_refused(site, committed):
    key = ApiKeyFactory()
    with connect(httpx.URL(site.v1).port or 0) as connection:
        # who is told to go on has been let in
        connection.sendall(chat_head(key.token, "Expect: 100-continue", length=2))
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        issuing.revoke(key, actor=None)
        until(lambda: code(site.v1, key.token) == "invalid_api_key")
        time.sleep(0.2)  # longer than a caller is taken for known
        connection.sendall(b"{}")
        assert error_of(read_answer(connection))["code"] == "invalid_api_key"


def test_a_suspension_reaches_a_running_process_and_its_end_too(site, committed):
    key = ApiKeyFactory()
    assert code(site.v1, key.token) == "invalid_request"
    for status, expected in (("suspended", "tenant_disabled"), ("active", "invalid_request")):
        Account.objects.filter(pk=key.account_id).update(status=status)
        forgetting.publish_account(key.account_id)
        until(lambda expected=expected: code(site.v1, key.token) == expected)


def test_a_running_process_writes_the_last_use(site, committed):
    key = ApiKeyFactory()
    ask(site.v1, key.token)
    until(lambda: ApiKey.objects.filter(pk=key.pk, last_used_at__isnull=False).exists())


def test_no_key_is_ever_logged(site, committed):
    key, unknown = ApiKeyFactory(), tokens.new_token()
    for token in (key.token, unknown, unknown[:-1], f"{unknown},{unknown}"):
        ask(site.v1, token)
    assert site.web.log
    assert key.token[12:] not in site.web.log
    assert unknown[12:-1] not in site.web.log
