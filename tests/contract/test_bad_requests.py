"""What is wrong before any view is asked: each is the contract's error, under a request id, never HTML, never a 500."""

import pytest

from tests.contract.conftest import EdgeServer
from tests.contract.wire import ask, error_of, head

JSON = "Content-Type: application/json"

BAD = {
    # name: (request, status, code)
    "no HTTP": (b"hello\r\n\r\n", 400, "invalid_request"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "invalid_request"),
    "an unknown method": (head("BREW", "/v1/chat/echo"), 400, "invalid_request"),
    "a raw byte in the path": (head("GET", "/v1/chat/\xff"), 400, "invalid_request"),
    "an encoded bad byte in the path": (head("GET", "/v1/chat/%FF"), 400, "invalid_request"),
    "a bad byte under Django's handler": (head("GET", "/v1/stock/%FF"), 400, "invalid_request"),
    "an overlong encoding": (head("GET", "/v1/chat/%C0%80"), 400, "invalid_request"),
    "a NUL in the path": (head("GET", "/v1/chat/%00"), 400, "invalid_request"),
    "a NUL in the query": (head("GET", "/v1/chat/private?name=%00"), 400, "invalid_request"),
    "a raw byte in the query": (head("GET", "/v1/chat/private?name=\xff"), 400, "invalid_request"),
    "a header without a colon": (head("GET", "/v1/chat/journal", "nonsense"), 400, "invalid_request"),
    "another's Host": (head("GET", "/v1/chat/journal", host="evil.test"), 400, "invalid_request"),
    "another's Host under Django's handler": (head("GET", "/v1/stock/html/200", host="evil.test"), 400, "invalid_request"),
    "no host in Host": (head("GET", "/v1/chat/journal", host=""), 400, "invalid_request"),
    "a Host with a space": (head("GET", "/v1/chat/journal", host="127.0.0.1 x"), 400, "invalid_request"),
    "a Host with raw bytes": (head("GET", "/v1/chat/journal", host="\xff\xfe"), 400, "invalid_request"),
    "two Hosts": (head("GET", "/v1/chat/journal", "Host: 127.0.0.1"), 400, "invalid_request"),
    "no Host": (b"GET /v1/chat/journal HTTP/1.1\r\n\r\n", 400, "invalid_request"),
    "a length in words": (head("POST", "/v1/chat/echo", "Content-Length: ten"), 400, "invalid_request"),
    "a negative length": (head("POST", "/v1/chat/echo", "Content-Length: -1"), 400, "invalid_request"),
    "two lengths": (head("POST", "/v1/chat/echo", "Content-Length: 2", "Content-Length: 3") + b"{}", 400, "invalid_request"),
    "a length and chunks": (
        head("POST", "/v1/chat/echo", "Content-Length: 2", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        400,
        "invalid_request",
    ),
    "a bad chunk": (head("POST", "/v1/chat/echo", JSON, "Transfer-Encoding: chunked") + b"xyz\r\n", 400, "invalid_request"),
    "headers over 32 KiB": (head("GET", "/v1/chat/journal", f"X: {'x' * 33_000}"), 431, "headers_too_large"),
    "many small headers": (head("GET", "/v1/chat/journal", *[f"X-{n}: {n}" for n in range(3000)]), 431, "headers_too_large"),
    "headers over 64 KiB": (head("GET", "/v1/chat/journal", f"X: {'x' * 70_000}"), 431, "headers_too_large"),
    "a path without an end": (b"GET /v1/" + b"x" * 400_000, 431, "headers_too_large"),
    "a header without an end": (b"GET /v1/x HTTP/1.1\r\nX: " + b"x" * 400_000, 431, "headers_too_large"),
    "no such path": (head("GET", "/v1/nothing"), 404, "not_found"),
    "no such path of the lean handler": (head("GET", "/v1/chat/nothing"), 404, "not_found"),
    "the root of the API": (head("GET", "/v1/"), 404, "not_found"),
    "a wrong method": (head("GET", "/v1/chat/echo"), 405, "method_not_allowed"),
    "a wrong method under Django's handler": (head("GET", "/v1/stock/strict"), 405, "method_not_allowed"),
    "a rare method": (head("PROPFIND", "/v1/chat/echo"), 405, "method_not_allowed"),
    "XML": (head("POST", "/v1/chat/echo", "Content-Type: application/xml", "Content-Length: 4") + b"<a/>", 415, "unsupported_media_type"),
    "XML under Django's handler": (
        head("POST", "/v1/stock/strict", "Content-Type: text/xml", "Content-Length: 4") + b"<a/>",
        415,
        "unsupported_media_type",
    ),
    "a form": (
        head("POST", "/v1/chat/echo", "Content-Type: application/x-www-form-urlencoded", "Content-Length: 3") + b"a=1",
        415,
        "unsupported_media_type",
    ),
    "no type": (head("POST", "/v1/chat/echo", "Content-Length: 2") + b"{}", 415, "unsupported_media_type"),
    "a broken type": (head("POST", "/v1/chat/echo", "Content-Type: ;;\x01", "Content-Length: 2") + b"{}", 400, "invalid_request"),
    "no body": (head("POST", "/v1/chat/echo", JSON), 400, "invalid_request"),
    "malformed JSON": (head("POST", "/v1/chat/echo", JSON, "Content-Length: 1") + b"{", 400, "invalid_request"),
    "malformed JSON under Django's handler": (head("POST", "/v1/stock/strict", JSON, "Content-Length: 1") + b"{", 400, "invalid_request"),
    "a key twice under Django's handler": (
        head("POST", "/v1/stock/strict", JSON, "Content-Length: 13") + b'{"a":1,"a":2}',
        400,
        "invalid_request",
    ),
    "no key": (head("GET", "/v1/chat/private"), 401, "unauthorized"),
    "a bad key": (head("GET", "/v1/chat/private", "Authorization: Bearer bad"), 401, "invalid_api_key"),
}


@pytest.mark.parametrize(("request_", "status", "code"), BAD.values(), ids=BAD)
def test_it_answers_with_the_envelope(edge: EdgeServer, request_: bytes, status: int, code: str):
    answer = ask(edge.port, request_)
    error = error_of(answer)
    assert (answer.status, error["code"]) == (status, code)
    assert answer.headers["access-control-allow-origin"] == "*"


def test_none_of_them_is_a_crash(edge: EdgeServer):
    lines = len(edge.log.splitlines())
    for request, _, _ in BAD.values():
        ask(edge.port, request)
    assert [line for line in edge.log.splitlines()[lines:] if '"level":"error"' in line] == []


def test_a_405_lists_the_methods(edge: EdgeServer):
    assert edge.client.get("/v1/chat/echo").headers["allow"] == "POST, OPTIONS"
    assert edge.client.post("/v1/chat/journal").headers["allow"] == "GET, HEAD, OPTIONS"
    assert edge.client.get("/v1/stock/strict").headers["allow"] == "POST, OPTIONS"


def test_a_405_names_the_methods(edge: EdgeServer):
    for method, path, words in [
        ("GET", "/v1/chat/echo", "This path takes POST."),
        ("POST", "/v1/chat/journal", "This path takes GET."),
        ("GET", "/v1/stock/strict", "This path takes POST."),
    ]:
        assert error_of(edge.client.request(method, path))["message"] == words


def test_the_root_of_the_api_names_its_document(edge: EdgeServer):
    for path in ("/v1", "/v1/"):
        assert "/openapi.json" in error_of(edge.client.get(path))["message"]


def test_a_401_asks_for_a_bearer_token(edge: EdgeServer):
    assert edge.client.get("/v1/chat/private").headers["www-authenticate"] == "Bearer"


def test_32_kib_of_headers_are_taken(edge: EdgeServer):
    assert ask(edge.port, head("GET", "/v1/chat/journal", f"X: {'x' * 32_600}")).status == 200


def test_a_host_that_is_ours_is_taken_with_port_and_subdomain(edge: EdgeServer):
    for host in ("127.0.0.1:8000", "api.example.com", "API.EXAMPLE.COM.", "example.com:1"):
        assert ask(edge.port, head("GET", "/v1/chat/journal", host=host)).status == 200


def test_a_page_is_refused_in_plain_text_with_a_request_id(edge: EdgeServer):
    for request, status in [
        (head("GET", "/page/", host="evil.test"), 400),
        (head("GET", "/page/%FF"), 400),
        (head("GET", "/page/", f"X: {'x' * 33_000}"), 431),
    ]:
        answer = ask(edge.port, request)
        assert answer.status == status
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["x-request-id"].startswith("req_")


def test_a_browser_is_refused_with_a_page(edge: EdgeServer):
    for path in ("/page/?id=%00", "/page/%FF"):
        answer = ask(edge.port, head("GET", path, "Accept: text/html,*/*;q=0.8"))
        assert (answer.status, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")
        assert b"Request not understood" in answer.body
    assert error_of(ask(edge.port, head("GET", "/v1/chat/journal?id=%00", "Accept: text/html")))["code"] == "invalid_request"


def test_a_websocket_is_an_ordinary_request(edge: EdgeServer):
    request = head("GET", "/v1/nothing", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13")
    assert error_of(ask(edge.port, request))["code"] == "not_found"


def test_a_whole_request_is_answered_although_garbage_follows(edge: EdgeServer):
    answer = ask(edge.port, head("GET", "/v1/chat/journal", "Content-Length: 0") + b"\x00\x01garbage\r\n\r\n")
    assert answer.status == 200
    assert answer.headers["connection"] == "close"
