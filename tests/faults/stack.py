"""A site of its own from top to bottom, for tests that kill its parts: PostgreSQL, Valkey, provider, web processes, workers, beat.

Every part keeps its port and its data, so that a part that was killed is back at the same address. Parts are started by the main
thread only: the kernel ties them to the thread that started them.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from django.db import connection

from beatra_site.embedded.ports import LOOPBACK, free_port
from beatra_site.embedded.postgres import Postgres
from beatra_site.embedded.programs import start, stop
from beatra_site.embedded.valkey import Valkey
from tests.servers import ROOT, Server, Web

PATIENCE_SECONDS = 60

# Tasks take seconds here, and a worker that died is noticed in seconds
TASK_SETTINGS = {
    "TASK_CLAIM_SECONDS": "5",
    "TASK_QUEUED_SECONDS": "30",
    "TASK_DEADLINE_SECONDS": "30",
    "TASK_CANCELS_A_DAY": "1000000",
}


class Part(Protocol):
    """What can be killed, started again and waited for."""

    def kill(self) -> None: ...
    def start(self) -> None: ...
    def wait(self) -> Any: ...
    def stop(self) -> None: ...


P = TypeVar("P", bound=Part)


class Database:
    """PostgreSQL or Valkey, as the demo has them embedded."""

    def __init__(self, server: Postgres | Valkey) -> None:
        self.url = server.url
        self._server = server
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self._process = start(self._server.program)

    def wait(self) -> None:
        """Wait until it answers."""
        process = self._process
        assert process is not None
        self._server.wait(alive=lambda: process.poll() is None, seconds=PATIENCE_SECONDS)
        connection.close()  # ours may have died with it

    def kill(self) -> None:
        """SIGKILL. What PostgreSQL has forked ends by itself, or is ended by the next start."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process, program=self._server.program)


class Provider(Server):
    """The sandbox. What it remembers of calls dies with it."""

    def __init__(self, *, var: Path) -> None:
        port = free_port()
        self.url = f"http://{LOOPBACK}:{port}"
        command = [sys.executable, "-m", "beatra_site.sandbox", "--host", LOOPBACK, "--port", str(port), "--faults"]
        super().__init__("sandbox", command, var=var)

    def wait(self) -> None:
        """Wait until it answers."""
        self.wait_for(f"{self.url}/healthz")


class Worker(Server):
    """A worker of Celery; `arguments` name its queues and its pool."""

    def __init__(self, name: str, *arguments: str, var: Path, environment: Mapping[str, str]) -> None:
        self._starts = 0
        command = [sys.executable, "-m", "celery", "-A", "beatra_site", "worker", "--hostname", f"{name}@%h", *arguments]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "info"]
        super().__init__(name, command, var=var, environment=environment)

    def start(self) -> None:
        self._starts += 1
        super().start()

    def wait(self) -> None:
        """Wait until it takes jobs."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.log.count(" ready.") < self._starts:
            assert self.alive, f"the worker ended:\n{self.log[-3000:]}"
            assert time.monotonic() < deadline, f"the worker is not ready:\n{self.log[-3000:]}"
            time.sleep(0.05)


class Stack:
    """All of it. `v1s` are the base URLs of the web processes."""

    def __init__(self, var: Path) -> None:
        self._var = var
        self._parts: list[Part] = []

    def start(self, *, web_processes: int = 2) -> None:
        """Start all, seed, and wait until it takes work. `stop` ends what was started, however far this came."""
        var = self._var
        (var / "static").mkdir(parents=True)
        var.chmod(0o711)
        self.valkey = self._run(Database(Valkey(var / "valkey", log=var / "log" / "valkey.log")))
        settings = {"fsync": "off", "full_page_writes": "off"}  # a process that is killed leaves its writes to the kernel
        self.postgres = self._run(Database(Postgres(var / "postgres", log=var / "log" / "postgres.log", settings=settings)))
        self.provider = self._run(Provider(var=var))
        self._environment = {
            "VAR": str(var),
            "REDIS_URL": self.valkey.url,
            "DATABASE_URL": self.postgres.url,
            "SANDBOX_URL": self.provider.url,
            **TASK_SETTINGS,
        }
        for part in self._parts:
            part.wait()
        environment = {**os.environ, **self._environment}
        subprocess.run([sys.executable, "-m", "beatra_site.embedded.prepare"], cwd=ROOT, env=environment, check=True)
        self.webs: list[Web] = [self.start_web(f"web-{number + 1}") for number in range(web_processes)]
        self.worker = self.start_worker("worker", "--queues", "beatra,outside", "--beat", "--concurrency", "1")
        for part in (*self.webs, self.worker):
            part.wait()

    @property
    def v1s(self) -> list[str]:
        return [web.v1 for web in self.webs]

    @property
    def sandbox(self) -> str:
        """The provider's origin."""
        return self.provider.url

    def start_web(self, name: str, environment: Mapping[str, str] | None = None) -> Web:
        """A web process, not waited for; its settings can differ by `environment`. It ends with the stack."""
        settings = {**self._environment, **(environment or {})}
        return self._run(Web(name, var=self._var, database_url=self.postgres.url, environment=settings))

    def start_worker(self, name: str, *arguments: str) -> Worker:
        """A worker, not waited for. It ends with the stack."""
        return self._run(Worker(name, *arguments, var=self._var, environment={**self._environment, "SITE_URL": self.webs[0].url}))

    @property
    def files(self) -> Path:
        """Where uploads and what tasks make is stored."""
        return self._var / "files"

    def _run(self, part: P) -> P:
        self._parts.append(part)
        return part

    def stop(self) -> None:
        while self._parts:
            self._parts.pop().stop()


def kill(part: Part, *, rng: random.Random) -> None:
    """Kill `part` at a random moment of the next two seconds, start it again at once, and wait until it takes work."""
    time.sleep(rng.uniform(0.1, 2))
    part.kill()
    part.start()
    part.wait()


@contextmanager
def looking_at(database_url: str) -> Iterator[None]:
    """Django's connections of this process, every thread's, go to the database at `database_url`."""
    url = urlsplit(database_url)
    there = {"NAME": url.path[1:], "USER": url.username, "PASSWORD": url.password, "HOST": url.hostname, "PORT": url.port}
    here = {name: connection.settings_dict[name] for name in there}
    _turn(there)
    try:
        yield
    finally:
        _turn(here)


def _turn(named: Mapping[str, Any]) -> None:
    connection.close()
    connection.close_pool()
    connection.settings_dict.update(named)
