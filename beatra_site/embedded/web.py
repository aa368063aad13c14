"""How a web process is started: uvicorn's arguments, the same for `make run` and for the tests. The README has them for everybody else."""

APPLICATION = "beatra_site.asgi:application"


def arguments(*, drain_seconds: float, application: str = APPLICATION) -> list[str]:
    """`python` with these serves `application`; where it listens is added to them.

    `drain_seconds` is how long open requests get when it is told to stop.
    """
    return [
        *("-m", "uvicorn", application, "--lifespan", "on", "--loop", "uvloop"),
        *("--http", "contract.http_protocol:HttpProtocol", "--ws", "none"),
        *("--no-proxy-headers", "--no-access-log", "--no-server-header", "--log-level", "warning"),
        *("--timeout-graceful-shutdown", str(int(drain_seconds))),
    ]
