"""What every answer has, whatever made it."""

import httpx
import pytest

from tests.contract.conftest import EdgeServer
from tests.contract.wire import SECRET, connect, error_of, head

CRASHES = {
    "an async view": ("/v1/chat/crash", 500, "internal_error"),
    "a sync view": ("/v1/stock/crash", 500, "internal_error"),
    "a DRF view": ("/v1/stock/raise/crash", 500, "internal_error"),
    "an application without an answer": ("/v1/raw/silent", 500, "internal_error"),
    "the database away": ("/v1/chat/away", 503, "service_unavailable"),
    "the database away from a DRF view": ("/v1/stock/raise/database", 503, "service_unavailable"),
}


@pytest.mark.parametrize(("path", "status", "code"), CRASHES.values(), ids=CRASHES)
def test_a_crash_is_the_envelope_and_tells_nothing(edge: EdgeServer, path: str, status: int, code: str):
    answer = edge.client.get(path)
    assert (answer.status_code, error_of(answer)["code"]) == (status, code)
    for told in (SECRET, "Traceback", "db.internal", "app.py"):
        assert told not in answer.text
    if status == 503:
        assert int(answer.headers["retry-after"]) > 0


REFUSALS = {
    "parse": (400, "invalid_request"),
    "validation": (400, "invalid_request"),
    "authentication": (401, "invalid_api_key"),
    "permission": (403, "forbidden"),
    "throttle": (429, "rate_limited"),
    "missing": (404, "not_found"),
    "denied": (403, "forbidden"),
    "suspicious": (400, "invalid_request"),
}


@pytest.mark.parametrize(("name", "expected"), REFUSALS.items(), ids=REFUSALS)
def test_exceptions_of_drf_and_django_are_rows_of_the_table(edge: EdgeServer, name: str, expected: tuple[int, str]):
    answer = edge.client.get(f"/v1/stock/raise/{name}")
    assert (answer.status_code, error_of(answer)["code"]) == expected
    assert SECRET not in answer.text


def test_drf_field_errors_become_pointers(edge: EdgeServer):
    error = error_of(edge.client.get("/v1/stock/raise/validation"))
    assert error["details"]["errors"] == [{"param": "/items/1/a~1b", "message": "too long"}, {"param": "", "message": "do not match"}]


def test_a_throttle_says_when_to_come_again(edge: EdgeServer):
    assert edge.client.get("/v1/stock/raise/throttle").headers["retry-after"] == "4"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_request"),
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (413, "payload_too_large"),
        (415, "unsupported_media_type"),
        (418, "invalid_request"),
        (429, "rate_limited"),
        (500, "internal_error"),
        (501, "internal_error"),
        (502, "upstream_error"),
        (503, "service_unavailable"),
        (504, "upstream_timeout"),
    ],
)
def test_html_never_leaves_under_v1(edge: EdgeServer, status: int, code: str):
    answer = edge.client.get(f"/v1/stock/html/{status}", headers={"Accept": "text/html"})
    assert error_of(answer)["code"] == code


@pytest.mark.parametrize("path", ["/v1/stock/redirect", "/v1/stock/slashed"])
def test_a_redirect_never_leaves_under_v1(edge: EdgeServer, path: str):
    answer = edge.client.get(path)
    assert (answer.status_code, error_of(answer)["code"]) == (404, "not_found")
    assert "location" not in answer.headers


def test_a_crash_in_the_midst_of_an_answer_cuts_the_connection(edge: EdgeServer):
    for path in ("/v1/raw/half", "/v1/chat/stream?then=crash"):
        with pytest.raises(httpx.RemoteProtocolError):
            edge.client.get(path)


def test_html_of_a_page_stays_html(edge: EdgeServer):
    answer = edge.client.get("/page/crash/x", headers={"Accept": "text/html"})
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith("text/html")
    assert "access-control-allow-origin" not in answer.headers


# The request id

EVERYWHERE = [
    "/v1/chat/journal",
    "/v1/chat/crash",
    "/v1/stock/html/200",
    "/v1/nothing",
    "/v1/chat/stream",
    "/v1/raw/id",
    "/page/",
    "/nothing",
]


@pytest.mark.parametrize("path", EVERYWHERE)
def test_the_callers_request_id_comes_back_on_every_answer(edge: EdgeServer, path: str):
    answer = edge.client.get(path, headers={"X-Request-Id": "trace/42"})
    assert answer.headers.get_list("x-request-id") == ["trace/42"]


@pytest.mark.parametrize("path", EVERYWHERE)
def test_without_a_valid_one_we_make_one(edge: EdgeServer, path: str):
    ids = [
        edge.client.get(path, headers=headers).headers["x-request-id"]
        for headers in ({}, {"X-Request-Id": "a b"}, {"X-Request-Id": "é".encode()})
    ]
    assert all(own_id.startswith("req_") and len(own_id) == 30 for own_id in ids)
    assert len(set(ids)) == 3


def test_a_view_knows_the_request_id(edge: EdgeServer):
    for path in ("/v1/chat/echo", "/v1/stock/echo"):
        answer = edge.client.post(path, json={}, headers={"X-Request-Id": "mine"})
        assert answer.json()["request_id"] == "mine"


def test_requests_on_one_connection_keep_their_ids_apart(edge: EdgeServer):
    body = b"{}"
    one = head("POST", "/v1/chat/echo", "Content-Type: application/json", "Content-Length: 2", "X-Request-Id: first") + body
    two = head("POST", "/v1/chat/echo", "Content-Type: application/json", "Content-Length: 2", "Connection: close") + body
    with connect(edge.port) as connection:
        connection.sendall(one + two)
        data = b""
        while part := connection.recv(65536):
            data += part
    assert data.count(b'"request_id":"first"') == 1
    assert data.count(b'"request_id":"req_') == 1


# Paths


@pytest.mark.parametrize("path", ["/v1/chat/journal/", "/v1/stock/raise/throttle/"])
def test_a_trailing_slash_is_the_same_path(edge: EdgeServer, path: str):
    with_slash = edge.client.get(path)
    without = edge.client.get(path.rstrip("/"))
    assert with_slash.status_code == without.status_code
    assert not with_slash.history
    assert type(with_slash.json()) is type(without.json())


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/chat/completions", "/v1/chat/completions"),
        ("/chat/completions/", "/v1/chat/completions"),
        ("/models", "/v1/models"),
        ("/tasks/tsk_1", "/v1/tasks/tsk_1"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/api/v1/models", "/v1/models"),
        ("/v1/responses", "/v1/chat/completions"),
        ("/v1/completions", "/v1/chat/completions"),
        ("/v1/embeddings", "/v1/chat/completions"),
        ("/responses", "/v1/chat/completions"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_wrong_path_is_answered_with_the_right_one(edge: EdgeServer, method: str, path: str, right: str):
    answer = edge.client.request(method, path, json={} if method == "POST" else None)
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (404, "not_found")
    assert f" {right}." in error["message"]


def test_a_page_of_that_name_wins_over_the_hint(edge: EdgeServer):
    assert edge.client.get("/tasks/").text == "<h1>a page</h1>"


def test_a_browser_that_misses_gets_a_page(edge: EdgeServer):
    answer = edge.client.get("/models/nothing", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.headers["content-type"].startswith("text/html")


def test_head_is_get_without_a_body(edge: EdgeServer):
    for path, status in [("/v1/chat/journal", 200), ("/v1/chat/echo", 405), ("/v1/nothing", 404)]:
        answer = edge.client.head(path)
        assert (answer.status_code, answer.content) == (status, b"")


# CORS


def test_a_preflight_is_answered_without_a_key(edge: EdgeServer):
    for path in ("/v1/chat/private", "/v1/stock/strict", "/v1/nothing"):
        asked = {
            "Origin": "https://app.test",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,x-stainless-os",
        }
        answer = edge.client.options(path, headers=asked)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["access-control-allow-methods"] == "GET, POST, DELETE"
        assert answer.headers["access-control-allow-headers"] == "authorization,x-stainless-os"
        assert answer.headers["x-request-id"]


def test_a_preflight_does_not_echo_what_is_no_list_of_names(edge: EdgeServer):
    answer = edge.client.options("/v1/x", headers={"Access-Control-Request-Headers": "a;<script>"})
    assert answer.headers["access-control-allow-headers"] == "Authorization, Content-Type, Idempotency-Key, X-Request-Id"


@pytest.mark.parametrize("path", [path for path in EVERYWHERE if path.startswith("/v1")])
def test_every_answer_under_v1_may_be_read_by_any_page(edge: EdgeServer, path: str):
    answer = edge.client.get(path, headers={"Origin": "https://app.test"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-expose-headers"] == "X-Request-Id, Retry-After, Idempotent-Replayed, x-should-retry"
    assert "access-control-allow-credentials" not in answer.headers


def test_pages_may_not(edge: EdgeServer):
    assert "access-control-allow-origin" not in edge.client.get("/page/", headers={"Origin": "https://app.test"}).headers
