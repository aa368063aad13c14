"""Ports on the loopback address."""

import socket

LOOPBACK = "127.0.0.1"


class PortTakenError(Exception):
    """Somebody else listens on the port."""


def free_port() -> int:
    """A TCP port on which nobody listens now. Another process may take it first: who uses it must be ready to ask again."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def listen(port: int) -> socket.socket:
    """A listening socket on `port`, to be handed to the web processes: while one of them restarts, callers queue here.

    Raises PortTakenError.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise PortTakenError(str(error)) from error
    return listener
