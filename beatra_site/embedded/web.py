"""How a web process is started: uvicorn's arguments, the same for `make run` and for the tests. The README has them for everybody else."""

import math

APPLICATION = "beatra_site.asgi:application"
# After the calls in flight were cut (chat/lifetime.py), their answers get so long to be sent before the server cuts them off
SPARE_SECONDS = 10


def arguments(*, drain_seconds: float, spare_seconds: float = SPARE_SECONDS, application: str = APPLICATION) -> list[str]:
    """`python` with these serves `application`; where it listens is added to them.

    `drain_seconds` is how long calls in flight get when it is told to stop. After `spare_seconds` more what is still open is cut off.
    """
    return [
        *("-m", "uvicorn", application, "--lifespan", "on", "--loop", "uvloop"),
        *("--http", "contract.http_protocol:HttpProtocol", "--ws", "none"),
        *("--no-proxy-headers", "--no-access-log", "--no-server-header", "--log-level", "warning"),
        *("--timeout-graceful-shutdown", str(math.ceil(drain_seconds + spare_seconds))),
    ]


def stop_seconds(drain_seconds: float) -> float:
    """How long the process may take to end when it is told to: then it hangs."""
    return drain_seconds + 3 * SPARE_SECONDS
