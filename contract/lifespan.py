"""What a web process opens before its first request and closes after its last, by the ASGI lifespan protocol."""

import logging
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from types import FrameType

from contract.asgi import Receive, Scope, Send

logger = logging.getLogger("contract.lifespan")

Hook = Callable[[], Awaitable[object]]

_stopping_since: float | None = None


class Lifespan:
    """`Lifespan(startup=[open_pool, start_beat], shutdown=[close_pool, stop_beat])`.

    Startup hooks run in order. Shutdown hooks run in reverse order, every one of them, whatever another raises. A startup
    hook that raises ends the process: the shutdown hooks run then too, so each must bear that its opposite never ran.
    uvicorn shuts down after the open requests have ended, or after `--timeout-graceful-shutdown` has cancelled them.
    """

    def __init__(self, *, startup: Sequence[Hook], shutdown: Sequence[Hook]) -> None:
        self.startup = tuple(startup)
        self.shutdown = tuple(shutdown)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the lifespan connection, which lasts as long as the process."""
        await receive()
        try:
            for hook in self.startup:
                await hook()
        except Exception as exc:
            logger.critical("start failed in %s", _name(hook), exc_info=exc)
            await self._shut_down()
            await send({"type": "lifespan.startup.failed", "message": f"start failed in {_name(hook)}"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._shut_down()
        await send({"type": "lifespan.shutdown.complete"})

    async def _shut_down(self) -> None:
        for hook in reversed(self.shutdown):
            try:
                await hook()
            except Exception as exc:
                logger.error("shutdown failed in %s", _name(hook), exc_info=exc)


async def heed_sigterm() -> None:
    """A startup hook: from now on `stopping_seconds` counts. The server's own handler is called as before."""

    def note(number: int, frame: FrameType | None) -> None:
        global _stopping_since
        _stopping_since = time.monotonic()
        if callable(served):
            served(number, frame)

    if threading.current_thread() is threading.main_thread():
        served = signal.signal(signal.SIGTERM, note)


def stopping_seconds() -> float:
    """How long ago SIGTERM came, 0 if it did not: the server first waits for its connections, and only then shuts down."""
    return 0 if _stopping_since is None else time.monotonic() - _stopping_since


def _name(hook: Hook) -> str:
    return f"{getattr(hook, '__module__', '?')}.{getattr(hook, '__qualname__', type(hook).__name__)}"
