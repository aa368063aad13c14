"""Bodies have limits, told before or while they are received, to callers who are still sending."""

import json
import select
import threading
from collections.abc import Iterator

import pytest

from contract import limits
from tests.contract.conftest import EdgeServer
from tests.contract.wire import ask, connect, error_of, head, is_closed, read_answer

MIB = limits.MIB
JSON = "Content-Type: application/json"


def chunks(total: int, *, size: int = MIB) -> Iterator[bytes]:
    sent = 0
    while sent < total:
        part = min(size, total - sent)
        yield b"x" * part
        sent += part


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/v1/chat/size", 32 * MIB),
        ("/v1/chat/size/", 32 * MIB),
        ("/v1/uploads", 101 * MIB),  # the file's 100, and the form around it
        ("/v1/stock/strict", 10 * MIB),
        ("/v1/chat", 10 * MIB),
        ("/page/", 10 * MIB),
    ],
)
def test_a_length_over_the_limit_is_refused_before_anything_is_sent(edge: EdgeServer, path: str, limit: int):
    with connect(edge.port) as connection:
        connection.sendall(head("POST", path, f"Content-Length: {limit + 1}", "Expect: 100-continue"))
        answer = read_answer(connection)
        assert answer.status == 413
        assert is_closed(connection)
    if path.startswith("/v1"):
        assert error_of(answer)["code"] == "payload_too_large"
        assert f"{limit // MIB} MiB" in error_of(answer)["message"]


def test_a_length_of_very_many_digits_is_over_every_limit(edge: EdgeServer):
    assert ask(edge.port, head("POST", "/v1/chat/size", f"Content-Length: {'9' * 18}")).status == 413


def test_a_body_of_exactly_the_limit_is_taken(edge: EdgeServer):
    answer = edge.client.post("/v1/chat/size", content=b"x" * limits.CHAT_BODY, timeout=60)
    assert answer.json() == {"size": limits.CHAT_BODY}


def test_a_body_in_chunks_is_counted(edge: EdgeServer):
    answer = edge.client.post("/v1/chat/size", content=chunks(limits.CHAT_BODY), timeout=60)
    assert answer.json() == {"size": limits.CHAT_BODY}


@pytest.mark.parametrize(("path", "limit"), [("/v1/chat/size", limits.CHAT_BODY), ("/v1/stock/strict", limits.BODY)])
def test_a_body_in_chunks_over_the_limit_is_refused_and_the_sender_hears_it(edge: EdgeServer, path: str, limit: int):
    # sends everything before it reads, as most clients do
    answer = edge.client.post(path, content=chunks(limit + 20 * MIB), headers={"Content-Type": "application/json"}, timeout=60)
    assert answer.status_code == 413
    assert error_of(answer)["code"] == "payload_too_large"


def test_a_sender_of_too_large_a_length_hears_it_after_all_is_sent(edge: EdgeServer):
    answer = edge.client.post("/v1/stock/strict", content=b"x" * (limits.BODY + 30 * MIB), timeout=60)
    assert error_of(answer)["code"] == "payload_too_large"


def test_a_sender_who_never_listens_meanwhile_is_not_reset(edge: EdgeServer):
    body = b"x" * (limits.BODY + 30 * MIB)
    # sendall fails as soon as the server closes a connection it has not read
    answer = ask(edge.port, head("POST", "/v1/stock/strict", f"Content-Length: {len(body)}") + body)
    assert error_of(answer)["code"] == "payload_too_large"


def test_a_page_refuses_a_large_body_too(edge: EdgeServer):
    assert edge.client.post("/page/", content=chunks(limits.BODY + 1), timeout=60).status_code == 413


def test_a_stranger_who_never_ends_is_cut_off(edge: EdgeServer):
    with connect(edge.port) as connection:
        connection.sendall(head("POST", "/v1/stock/strict", f"Content-Length: {10**12}"))
        stop = threading.Event()

        def send() -> None:
            try:
                while not stop.is_set():
                    connection.sendall(b"x" * MIB)
            except OSError:
                stop.set()

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        answer = read_answer(connection)
        sender.join(20)
        cut_off = stop.is_set()
        stop.set()
    assert error_of(answer)["code"] == "payload_too_large"
    assert cut_off


def test_who_stops_sending_after_the_refusal_is_let_go(edge: EdgeServer):
    with connect(edge.port) as connection:
        connection.sendall(head("POST", "/v1/stock/strict", f"Content-Length: {11 * MIB}") + b"x" * 1000)
        assert read_answer(connection).status == 413
        assert is_closed(connection)


def test_an_answer_before_the_end_of_the_body_reaches_a_caller_who_sends_on(edge: EdgeServer):
    answer = edge.client.post("/v1/raw/early", content=chunks(8 * MIB))
    assert answer.json() == {"early": True}


def test_a_body_in_many_small_pieces_is_one_body(edge: EdgeServer):
    body = json.dumps({"text": "é" * 100}).encode()
    with connect(edge.port) as connection:
        connection.sendall(head("POST", "/v1/chat/echo", JSON, f"Content-Length: {len(body)}"))
        for at in range(len(body)):
            connection.sendall(body[at : at + 1])
        assert read_answer(connection).json["body"] == {"text": "é" * 100}


@pytest.mark.parametrize("path", ["/v1/chat/echo", "/v1/stock/echo", "/v1/stock/strict"])
def test_json_in_chunks_is_read(edge: EdgeServer, path: str):
    answer = edge.client.post(path, content=iter([b'{"a"', b":1}"]), headers={"Content-Type": "application/json"})
    assert answer.json()["body"] == {"a": 1}


def test_a_strangers_body_is_not_waited_for(edge: EdgeServer):
    with connect(edge.port) as connection:
        connection.sendall(head("POST", "/v1/chat/private", "Authorization: Bearer bad", "Content-Length: 1000"))
        assert error_of(read_answer(connection))["code"] == "invalid_api_key"


def test_the_body_of_a_known_caller_is_read(edge: EdgeServer):
    answer = edge.client.post("/v1/chat/private", content=chunks(3 * MIB), headers={"Authorization": "Bearer good"})
    assert answer.json() == {"auth": "the caller", "size": 3 * MIB}


def test_a_body_that_stops_coming_is_given_up(impatient_edge: EdgeServer):
    with connect(impatient_edge.port) as connection:
        connection.sendall(head("POST", "/v1/chat/size", f"Content-Length: {MIB}") + b"x" * 1000)
        assert error_of(read_answer(connection))["message"] == "The body did not come in time."
        assert is_closed(connection)


def test_a_body_that_never_ends_is_given_up(impatient_edge: EdgeServer):
    with connect(impatient_edge.port) as connection:
        connection.sendall(head("POST", "/v1/chat/size", f"Content-Length: {MIB}"))
        for _ in range(400):
            connection.sendall(b"x")
            if select.select([connection], [], [], 0.05)[0]:
                break
        assert error_of(read_answer(connection))["message"] == "The body did not come in time."


def test_who_leaves_while_sending_is_no_crash(edge: EdgeServer):
    lines = len(edge.log.splitlines())
    with connect(edge.port) as connection:
        connection.sendall(head("POST", "/v1/chat/echo", JSON, "Content-Length: 1000") + b"{")
    with connect(edge.port) as connection:
        connection.sendall(head("POST", "/v1/stock/strict", JSON, "Content-Length: 1000") + b"{")
    edge.client.get("/v1/chat/journal")
    assert '"level":"error"' not in "\n".join(edge.log.splitlines()[lines:])
