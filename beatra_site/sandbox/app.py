"""Routes a request by the first step of its path: each provider has one, `/control/` is the tests'."""

from collections.abc import Awaitable, Callable

from beatra_site.sandbox.chat import ChatProvider
from beatra_site.sandbox.checkout.provider import CheckoutProvider
from beatra_site.sandbox.control import Control
from beatra_site.sandbox.exchange import EndedError, Exchange, Receive, Scope, Send
from beatra_site.sandbox.minimax.provider import MiniMaxProvider
from beatra_site.sandbox.music.studio import Studio
from beatra_site.sandbox.suno.provider import SunoProvider
from catalog.tokens import warm


class Sandbox:
    """The ASGI application of one sandbox process."""

    def __init__(
        self,
        *,
        faults: bool = False,
        key: str | None = None,
        chunk_ms: float = 0,
        checkout_key: str = "",
        webhook_secret: str = "",
        public_url: str = "",
        song_ms: float = 0,
    ) -> None:
        warm()
        control = Control() if faults else None
        studio = Studio(sketches=faults)
        self._apps: dict[str, Callable[[Exchange], Awaitable[None]]] = {
            "healthz": healthz,
            "chat": ChatProvider(control=control, key=key, chunk_ms=chunk_ms),
            "checkout": CheckoutProvider(key=checkout_key, secret=webhook_secret, public_url=public_url),
            "minimax": MiniMaxProvider(control=control, key=key, song_ms=song_ms, studio=studio),
            "suno": SunoProvider(control=control, key=key, song_ms=song_ms, studio=studio, secret=webhook_secret),
        }
        if control:
            self._apps["control"] = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        app = self._apps.get(exchange.path.split("/")[1], not_found)
        try:
            await app(exchange)
        except EndedError:
            # Its client has left: there is nobody to answer
            return
        finally:
            exchange.close()


async def healthz(exchange: Exchange) -> None:
    """Says that the process serves."""
    await exchange.json(200, {"status": "ok"})


async def not_found(exchange: Exchange) -> None:
    """A path that no provider has."""
    await exchange.json(404, {"error": {"message": "No such path in the sandbox", "type": "invalid_request_error"}})
