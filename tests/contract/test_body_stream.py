"""A view that reads its body itself: as it comes, no faster than it reads, and with the same bounds as any other."""

import threading

import pytest

from contract import limits
from tests.contract.conftest import EdgeServer
from tests.contract.wire import connect, error_of, eventually, head, read_answer

PATH = "/v1/chat/poured"
GOOD = "Authorization: Bearer good"
MIB = limits.MIB


def test_it_gets_the_whole_body_and_then_nothing(edge: EdgeServer):
    for size in (0, 1, 3 * MIB):
        answer = edge.client.post(PATH, content=b"x" * size, headers={"Authorization": "Bearer good"})
        assert answer.json() == {"size": size, "rest": 0}


def test_parts_are_there_before_the_rest_is_sent(edge: EdgeServer):
    with connect(edge.port) as connection:
        connection.sendall(head("POST", PATH, GOOD, "Content-Length: 20"))
        for n in range(2):
            poured = edge.journal.count("poured True")
            connection.sendall(b"x" * 10)
            assert eventually(lambda poured=poured: edge.journal.count("poured True") > poured), n
        assert read_answer(connection).json == {"size": 20, "rest": 0}


def test_it_may_be_more_than_one_account_may_hold_in_memory(edge: EdgeServer):
    body = b"x" * (8 * MIB)
    assert edge.client.post(PATH, content=body, headers={"Authorization": "Bearer good"}).json()["size"] == len(body)


def test_a_stranger_is_not_read(edge: EdgeServer):
    with connect(edge.port) as connection:
        connection.sendall(head("POST", PATH, "Content-Length: 1000"))
        assert error_of(read_answer(connection))["code"] == "unauthorized"


def test_an_answer_before_the_end_reaches_who_sends_on(edge: EdgeServer):
    answer = edge.client.post(f"{PATH}?early", content=b"x" * (8 * MIB), headers={"Authorization": "Bearer good"})
    assert error_of(answer)["code"] == "forbidden"


@pytest.mark.parametrize("sent", [0, 5])
def test_who_leaves_while_sending_cancels_the_view(edge: EdgeServer, sent: int):
    cancelled = edge.journal.count("pouring cancelled")
    with connect(edge.port) as connection:
        connection.sendall(head("POST", PATH, GOOD, "Content-Length: 10", "Expect: 100-continue"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(b"x" * sent)
    assert eventually(lambda: edge.journal.count("pouring cancelled") == cancelled + 1)


def test_who_leaves_after_sending_cancels_the_view_too(edge: EdgeServer):
    over, cancelled = (edge.journal.count(f"pouring {what}") for what in ("is over", "cancelled"))
    with connect(edge.port) as connection:
        connection.sendall(head("POST", f"{PATH}?slow", GOOD, "Content-Length: 2") + b"{}")
        assert eventually(lambda: edge.journal.count("pouring is over") == over + 1)
        assert edge.journal.count("pouring cancelled") == cancelled
    assert eventually(lambda: edge.journal.count("pouring cancelled") == cancelled + 1)


def test_a_body_that_stops_coming_is_given_up(impatient_edge: EdgeServer):
    with connect(impatient_edge.port) as connection:
        connection.sendall(head("POST", PATH, GOOD, "Content-Length: 1000") + b"x")
        assert error_of(read_answer(connection))["message"] == "The body did not come in time."


def test_it_may_take_longer_than_other_bodies_but_not_for_ever(impatient_edge: EdgeServer):
    with connect(impatient_edge.port) as connection:
        connection.sendall(head("POST", PATH, GOOD, "Content-Length: 1000000"))
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.1):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

        dripping = threading.Thread(target=drip, daemon=True)
        dripping.start()
        try:
            assert error_of(read_answer(connection))["message"] == "The body did not come in time."
        finally:
            stop.set()
            dripping.join()
    # More than fit into the three seconds that other bodies get there
    assert impatient_edge.journal.count("poured True") > 30


def test_a_stream_in_a_hurry_hangs_up_on_who_does_not_read(impatient_edge: EdgeServer):
    closed = impatient_edge.journal.count("stream closed")
    with connect(impatient_edge.port) as connection:
        connection.sendall(head("GET", "/v1/chat/stream?then=flood&hurry"))
        assert eventually(lambda: impatient_edge.journal.count("stream closed") == closed + 1)
