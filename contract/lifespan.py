"""What a web process opens before its first request and closes after its last, by the ASGI lifespan protocol."""

import asyncio
import logging
import signal
import threading
from collections.abc import Awaitable, Callable, Sequence
from types import FrameType

from contract.asgi import Receive, Scope, Send

logger = logging.getLogger("contract.lifespan")

Hook = Callable[[], Awaitable[object]]

_when_stopping: list[Callable[[], object]] = []


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


async def heed_signals() -> None:
    """A startup hook: from now on SIGTERM and SIGINT begin what `when_stopping` has. The server's own handlers are called as before."""
    loop = asyncio.get_running_loop()

    def heed(number: signal.Signals) -> None:
        served = signal.getsignal(number)

        def note(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(_begin)
            if callable(served):
                served(number, frame)

        signal.signal(number, note)

    if threading.current_thread() is threading.main_thread():
        heed(signal.SIGTERM)
        heed(signal.SIGINT)


def when_stopping(begin: Callable[[], object]) -> None:
    """Call `begin` on the event loop, once, as soon as the process is told to stop: the server first waits for its connections, and
    only then runs the shutdown hooks."""
    _when_stopping.append(begin)


def _begin() -> None:
    while _when_stopping:
        _when_stopping.pop(0)()


def _name(hook: Hook) -> str:
    return f"{getattr(hook, '__module__', '?')}.{getattr(hook, '__qualname__', type(hook).__name__)}"
