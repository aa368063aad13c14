"""What one caller makes a process hold: bodies that come slowly, answers that are not read. The application takes 4 MiB of each caller."""

import socket

import httpx

from contract.limits import MIB
from tests.contract.conftest import EdgeServer
from tests.contract.wire import connect, error_of, eventually, head, read_answer

GOOD, ANOTHER = ({"Authorization": f"Bearer {token}"} for token in ("good", "another"))


def send(edge: EdgeServer, size: int, headers: dict[str, str] = GOOD) -> httpx.Response:
    return edge.client.post("/v1/chat/private", content=b"x" * size, headers=headers)


def held(edge: EdgeServer) -> int:
    return int(edge.client.get("/v1/chat/held").json()["held"])


def assert_too_much(refused: httpx.Response) -> None:
    error = error_of(refused)
    assert (refused.status_code, error["code"], error["details"]) == (429, "rate_limited", {"limit": "account_bytes"})
    assert refused.headers["retry-after"] == "2"


def test_bodies_that_are_still_coming_keep_out_more_of_the_same_caller(edge: EdgeServer):
    with connect(edge.port) as connection:
        first = head("POST", "/v1/chat/private", "Authorization: Bearer good", f"Content-Length: {3 * MIB + 1}")
        connection.sendall(first + b"x" * 3 * MIB)
        # Asked sooner, whichever of the two comes to its end last would be the one refused
        assert eventually(lambda: held(edge) == 3 * MIB)
        assert_too_much(send(edge, 2 * MIB))
        # What was refused is let go of when its answer has been sent
        assert eventually(lambda: send(edge, MIB // 2).status_code == 200)
        assert send(edge, 3 * MIB, ANOTHER).status_code == 200
        connection.sendall(b"x")
        assert read_answer(connection).json["size"] == 3 * MIB + 1
    assert eventually(lambda: send(edge, 3 * MIB).status_code == 200)


def test_an_answer_that_is_not_read_keeps_out_bodies_of_the_same_caller(edge: EdgeServer):
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", edge.port))
        connection.sendall(head("GET", "/v1/chat/private?big=1", "Authorization: Bearer good"))
        assert eventually(lambda: send(edge, 1).status_code == 429)
        assert_too_much(send(edge, 1))
        assert edge.client.get("/v1/chat/private", headers=GOOD).status_code == 200
        assert send(edge, 1, ANOTHER).status_code == 200
    assert eventually(lambda: send(edge, 1).status_code == 200)


def test_who_leaves_in_the_midst_of_a_body_makes_room(edge: EdgeServer):
    with connect(edge.port) as connection:
        first = head("POST", "/v1/chat/private", "Authorization: Bearer good", f"Content-Length: {4 * MIB}")
        connection.sendall(first + b"x" * 3 * MIB)
        assert eventually(lambda: held(edge) == 3 * MIB)
        assert_too_much(send(edge, 2 * MIB))
    assert eventually(lambda: send(edge, 4 * MIB).status_code == 200)
