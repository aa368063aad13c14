"""An https server on this machine, and the network on which `pictures.example` and `moved.example` stand for it.

The certificate, for those two names, and its key lie beside this file: no secret, a test's own.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from threading import Thread

from aiohttp import web

from contract.fetching import Network

_PEM = Path(__file__).with_name("pictures.example.pem")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_PEM)
    return context


def _network() -> Network:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host in ("pictures.example", "moved.example") else ["10.0.0.1"]

    return Network(resolve=resolve, allows=lambda address: address == "127.0.0.1", tls=ssl.create_default_context(cafile=str(_PEM)))


@asynccontextmanager
async def talking(talk: Talk) -> AsyncIterator[tuple[str, Network]]:
    """As `served`, for what no decent server says: `talk` writes the bytes of the answer."""
    talks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())  # type: ignore[arg-type]
        with suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=_tls())
    try:
        yield f"https://pictures.example:{server.sockets[0].getsockname()[1]}", _network()
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[tuple[str, Network]]:
    """`handler` behind https on a free port: its origin under pictures.example, and a network that leads there."""
    runner = web.ServerRunner(web.Server(handler, access_log=None, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=_tls())
    await site.start()
    port = runner.addresses[0][1]

    try:
        yield f"https://pictures.example:{port}", _network()
    finally:
        await runner.cleanup()
        await asyncio.sleep(0)


@contextmanager
def serving(handler: Handler) -> Iterator[tuple[str, Network]]:
    """`served`, for tests of sync code: on a loop of its own, in a thread of its own."""
    loop, server = asyncio.new_event_loop(), served(handler)
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
