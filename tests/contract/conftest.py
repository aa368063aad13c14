"""The test application behind the edge, in a uvicorn process of its own: real sockets, no database."""

import sys
from collections.abc import Iterator

import httpx
import pytest

from beatra_site.embedded import web
from beatra_site.embedded.ports import LOOPBACK, free_port
from tests.servers import SERVERS, Server


class EdgeServer(Server):
    """`url` is the origin, `port` for raw sockets."""

    def __init__(self, name: str = "edge", *, graceful_seconds: int = 30, module: str = "app") -> None:
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        arguments = web.arguments(drain_seconds=graceful_seconds, spare_seconds=0, application=f"tests.contract.{module}:application")
        command = [sys.executable, *arguments, "--host", LOOPBACK, "--port", str(self.port)]
        # one client, because each makes a TLS context of its own
        self.client = httpx.Client(base_url=self.url, timeout=60)
        super().__init__(name, command, var=SERVERS.var)

    def wait(self) -> "EdgeServer":
        self.wait_for(f"{self.url}/v1/chat/journal")
        return self

    @property
    def journal(self) -> list[str]:
        """What the views of the application noted."""
        return self.client.get("/v1/chat/journal").json()


@pytest.fixture(scope="session")
def edge() -> Iterator[EdgeServer]:
    server = EdgeServer()
    try:
        yield server.wait()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def impatient_edge() -> Iterator[EdgeServer]:
    """A process that waits about a second for what callers send and read."""
    server = EdgeServer("impatient-edge", module="impatient_app")
    try:
        yield server.wait()
    finally:
        server.stop()


@pytest.fixture
def own_edge() -> Iterator[EdgeServer]:
    """A process that a test may stop. It gives open requests 1 s."""
    server = EdgeServer("own-edge", graceful_seconds=1)
    try:
        yield server.wait()
    finally:
        server.stop()
