"""The lean handler: a view and its caller, and what becomes of one when the other leaves."""

import asyncio
import gc
import socket
import time
import weakref

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from contract.async_view import AsyncAPIView
from contract.lean_handler import LeanHandler
from tests.contract.conftest import EdgeServer
from tests.contract.wire import BIG, connect, eventually, head, read_answer

JSON = "Content-Type: application/json"


@pytest.mark.parametrize("path", ["/v1/chat/private", "/v1/stock/private"])
def test_an_async_view_is_the_same_under_both_handlers(edge: EdgeServer, path: str):
    answer = edge.client.get(path, params={"name": "a b"}, headers={"Authorization": "Bearer good"})
    assert answer.json() == {"auth": "the caller", "user": "the caller", "name": "a b"}


@pytest.mark.parametrize("path", ["/v1/chat/echo", "/v1/stock/echo"])
def test_a_post_needs_no_csrf_token(edge: EdgeServer, path: str):
    body = {"model": "auto", "messages": [{"role": "user", "content": "é\u2028"}]}
    assert edge.client.post(path, json=body, headers={"Origin": "https://app.test"}).json()["body"] == body


@pytest.mark.parametrize("path", ["/v1/chat/stream", "/v1/stock/stream"])
def test_a_stream_is_sent_part_by_part(edge: EdgeServer, path: str):
    with edge.client.stream("GET", path, params={"then": "wait"}) as answer:
        parts = answer.iter_raw()
        received = b""
        while b"two" not in received:
            received += next(parts)  # the view waits for ever after these
    assert received == b"data: one\n\ndata: two\n\n"


def test_a_stream_that_ends_is_whole(edge: EdgeServer):
    answer = edge.client.get("/v1/chat/stream")
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.content == b"data: one\n\ndata: two\n\n"


def test_who_hangs_up_cancels_the_view(edge: EdgeServer):
    began, cancelled = (edge.journal.count(f"slow {what}") for what in ("began", "cancelled"))
    with connect(edge.port) as connection:
        connection.sendall(head("POST", "/v1/chat/slow", JSON, "Content-Length: 2") + b"{}")
        assert eventually(lambda: edge.journal.count("slow began") == began + 1)
        assert edge.journal.count("slow cancelled") == cancelled
    assert eventually(lambda: edge.journal.count("slow cancelled") == cancelled + 1)


@pytest.mark.parametrize(
    ("then", "seen"),
    [("wait", "stream CancelledError"), ("flood", "stream ")],
    ids=["while the view waits", "while the caller does not read"],
)
def test_who_hangs_up_closes_the_stream(edge: EdgeServer, then: str, seen: str):
    closed, noted = edge.journal.count("stream closed"), len(edge.journal)
    with connect(edge.port) as connection:
        connection.sendall(head("GET", f"/v1/chat/stream?then={then}"))
        assert b"200 OK" in connection.recv(65536)
        time.sleep(0.2)  # the flood fills the buffers
        assert edge.journal.count("stream closed") == closed
    assert eventually(lambda: edge.journal.count("stream closed") == closed + 1)
    assert any(note.startswith(seen) for note in edge.journal[noted:])


def test_hanging_up_leaves_no_error_in_the_log(edge: EdgeServer):
    lines, closed = len(edge.log.splitlines()), edge.journal.count("stream closed")
    with connect(edge.port) as connection:
        connection.sendall(head("GET", "/v1/chat/stream?then=wait"))
        connection.recv(65536)
    assert eventually(lambda: edge.journal.count("stream closed") == closed + 1)
    assert [line for line in edge.log.splitlines()[lines:] if '"level":"error"' in line] == []


def test_a_long_answer_comes_whole_however_slowly_it_is_read(impatient_edge: EdgeServer):
    with connect(impatient_edge.port) as connection:
        connection.sendall(head("GET", "/v1/chat/big", "Connection: close"))
        got = 0
        while part := connection.recv(65536):
            got += len(part)
            time.sleep(0.01)  # 16 MiB take more than the second that it waits for a piece
    assert got > BIG


def test_who_does_not_read_a_long_answer_is_hung_up_on(impatient_edge: EdgeServer):
    def answered() -> int:
        return impatient_edge.log.count('"path":"/v1/chat/big"')

    before, length = answered(), len(impatient_edge.log)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", impatient_edge.port))
        connection.sendall(head("GET", "/v1/chat/big"))
        assert eventually(lambda: answered() == before + 1, seconds=30)
        connection.settimeout(20)
        got = 0
        while part := connection.recv(65536):
            got += len(part)
    assert got < BIG
    assert '"level":"error"' not in impatient_edge.log[length:]


def test_a_connection_serves_on_after_an_error(edge: EdgeServer):
    with connect(edge.port) as connection:
        for path, status in [("/v1/chat/crash", 500), ("/v1/chat/refuse", 400), ("/v1/chat/journal", 200)]:
            connection.sendall(head("GET", path))
            assert read_answer(connection).status == status


def test_an_error_may_name_all_fields(edge: EdgeServer):
    error = edge.client.get("/v1/chat/refuse").json()["error"]
    assert error["param"] == "/a"
    assert error["details"] == {"errors": [{"param": "/a", "message": "no"}, {"param": "/b/0", "message": "neither"}]}


class Caller:
    """Sends his request and stays."""

    async def __call__(self):
        if self.__dict__.setdefault("asked", False):
            await asyncio.Event().wait()
        self.asked = True
        return {"type": "http.request", "body": b""}


async def send(message):
    pass


def test_an_answered_request_does_not_wait_for_the_garbage_collector():
    """It runs rarely (contract/heap.py): 10 kB a call would be many megabytes by then."""

    async def answered():
        caller = Caller()
        scope = {"type": "http", "method": "GET", "path": "/v1/health", "query_string": b"", "headers": []}
        await LeanHandler()(scope, caller, send)
        gone = weakref.ref(caller)
        del caller
        await asyncio.sleep(0)
        return gone()

    gc.disable()
    try:
        assert asyncio.run(answered()) is None
    finally:
        gc.enable()


def test_a_view_is_gone_with_its_request():
    """A view that refers to itself waits for the garbage collector: one for each poll of a wallet."""

    class View(AsyncAPIView):
        async def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse()

    view = View()
    view.setup(RequestFactory().head("/"))
    assert {"GET", "HEAD"} <= set(view.allowed_methods)
    gone = weakref.ref(view)
    gc.disable()
    try:
        del view
        assert gone() is None
    finally:
        gc.enable()
