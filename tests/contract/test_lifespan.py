"""Start and stop of a web process."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable

import httpx
import pytest

from contract.lifespan import Hook, Lifespan, heed_signals, when_stopping
from tests.contract.conftest import EdgeServer
from tests.contract.wire import connect, error_of, eventually, head, read_answer


def live(lifespan: Lifespan) -> list[str]:
    """What the application says to the server between start and stop."""
    said: list[str] = []

    async def main() -> None:
        events = iter(("lifespan.startup", "lifespan.shutdown"))

        async def receive() -> dict[str, str]:
            return {"type": next(events)}

        async def send(message) -> None:
            said.append(message["type"])

        await lifespan({"type": "lifespan"}, receive, send)

    asyncio.run(main())
    return said


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def note(notes: list[str]) -> Callable[..., Hook]:
    def make(name: str, error: Exception | None = None) -> Hook:
        async def hook() -> None:
            notes.append(name)
            if error is not None:
                raise error

        return hook

    return make


def test_hooks_start_in_order_and_stop_in_reverse(note, notes):
    said = live(Lifespan(startup=[note("pool"), note("beat")], shutdown=[note("no pool"), note("no beat")]))
    assert notes == ["pool", "beat", "no beat", "no pool"]
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_a_failed_start_closes_what_was_opened(note, notes):
    said = live(Lifespan(startup=[note("pool"), note("beat", OSError()), note("never")], shutdown=[note("no pool"), note("no beat")]))
    assert notes == ["pool", "beat", "no beat", "no pool"]
    assert said == ["lifespan.startup.failed"]


def test_a_failed_stop_does_not_keep_the_others_open(note, notes):
    said = live(Lifespan(startup=[], shutdown=[note("no pool"), note("no beat", ValueError())]))
    assert notes == ["no beat", "no pool"]
    assert said[-1] == "lifespan.shutdown.complete"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_waits_for_the_stop_is_told_once_and_the_server_of_every_signal(number: signal.Signals):
    told: list[str] = []

    async def main() -> None:
        begun = asyncio.Event()
        await heed_signals()
        when_stopping(lambda: told.append("begin"))
        when_stopping(begun.set)
        signal.raise_signal(number)
        await asyncio.wait_for(begun.wait(), 10)
        signal.raise_signal(number)
        await asyncio.sleep(0)

    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        signal.signal(number, lambda *_: told.append("server"))
        asyncio.run(main())
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert told == ["server", "begin", "server"]


def test_sigterm_lets_open_requests_end_and_then_closes(own_edge: EdgeServer):
    with connect(own_edge.port) as connection:
        connection.sendall(head("POST", "/v1/chat/brief", "Content-Length: 0"))
        assert eventually(lambda: "brief began" in own_edge.journal)
        os.kill(own_edge.pid, signal.SIGTERM)
        answer = read_answer(connection)
    assert answer.json == {"done": True}
    assert answer.headers["connection"] == "close"
    own_edge.process.wait(20)
    assert own_edge.log.index('"status":200,"duration') < own_edge.log.rindex("\nclosed\n")


def test_a_request_that_does_not_end_in_time_is_told_so(own_edge: EdgeServer):
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(httpx.post(f"{own_edge.url}/v1/chat/slow", json={}, timeout=30)))
    thread.start()
    assert eventually(lambda: "slow began" in own_edge.journal)
    os.kill(own_edge.pid, signal.SIGTERM)
    thread.join(20)
    assert error_of(answers[0])["code"] == "service_unavailable"
    own_edge.process.wait(20)
    assert "\nclosed\n" in own_edge.log
    assert '"level":"error","logger":"contract' not in own_edge.log
