"""An https server on this machine, and the network on which `pictures.example` and `moved.example` stand for it.

The certificate, for those two names, and its key lie beside this file: no secret, a test's own.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from contract.fetching import Network

_PEM = Path(__file__).with_name("pictures.example.pem")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[tuple[str, Network]]:
    """`handler` behind https on a free port: its origin under pictures.example, and a network that leads there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_PEM)
    runner = web.ServerRunner(web.Server(handler, access_log=None, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host in ("pictures.example", "moved.example") else ["10.0.0.1"]

    try:
        yield (
            f"https://pictures.example:{port}",
            Network(resolve=resolve, allows=lambda address: address == "127.0.0.1", tls=ssl.create_default_context(cafile=str(_PEM))),
        )
    finally:
        await runner.cleanup()
        await asyncio.sleep(0)
