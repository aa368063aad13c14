"""Where the bench runs: a web process alone on one core; the database, Valkey, the provider and the load on the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from beatra_site.embedded.ports import free_port
from beatra_site.embedded.postgres import Postgres
from beatra_site.embedded.programs import start, stop
from tests.servers import ROOT, SERVERS, Server, Web

ACCOUNTS = 64
_BOOKS = "select (select sum(held) + sum(in_flight) from wallets_wallet), (select count(*) from wallets_ledgerentry where kind = 'charge')"
_CORES = sorted(os.sched_getaffinity(0))
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Site:
    """beatra with a model over one transport, on a database of its own. `keys` are of one account each."""

    web: Web
    database_url: str
    model: str
    keys: list[str]

    def cpu_seconds(self) -> float:
        """CPU of all threads of the web process, since its start."""
        fields = Path(f"/proc/{self.web.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def charges(self) -> int:
        """Calls charged so far, on a wallet where nothing is held any more."""
        with psycopg.connect(self.database_url) as connection:
            ((held, charges),) = connection.execute(_BOOKS).fetchall()
        assert held == 0, "a call has ended, and its hold stays"
        return int(charges)

    def audit(self) -> str:
        """The audit's own words. Raises CalledProcessError for a difference."""
        return _python(self.database_url, "manage.py", "audit_wallets").strip()


@contextmanager
def place() -> Iterator[tuple[int, dict[str, Site]]]:
    """The provider's port, and a site for each transport; all of it gone at the end."""
    os.sched_setaffinity(0, _CORES[1:] or _CORES)  # inherited by all that is started from here
    # With fsync, other than the tests' own: a commit that costs nothing would flatter us
    postgres = Postgres(SERVERS.var / "bench-postgres", log=SERVERS.var / "log" / "bench-postgres.log")
    with ExitStack() as stack:
        database = start(postgres.program)
        stack.callback(stop, database, program=postgres.program)
        postgres.wait(alive=lambda: database.poll() is None)
        os.environ["DATABASE_URL"] = postgres.url
        stack.callback(SERVERS.stop)
        SERVERS.start()
        empty = _database(postgres.url, "bench")
        _python(empty, "manage.py", "migrate", "--verbosity", "0")
        _python(empty, "manage.py", "seed")
        port = free_port()
        upstream = Server("bench-upstream", [sys.executable, "-m", "bench.upstream", str(port)], var=SERVERS.var)
        stack.callback(upstream.stop)
        yield port, {transport: _site(transport, postgres.url, upstream_port=port, stack=stack) for transport in ("native", "litellm")}


def _site(transport: str, server_url: str, *, upstream_port: int, stack: ExitStack) -> Site:
    url = _database(server_url, f"bench_{transport}", template="bench")
    keys = json.loads(_python(url, "-m", "bench.prepare", transport, f"http://127.0.0.1:{upstream_port}/v1", str(ACCOUNTS)))
    others = os.sched_getaffinity(0)
    os.sched_setaffinity(0, _CORES[:1])
    web = Web(f"bench-{transport}", var=SERVERS.var, database_url=url, environment={"LOG_LEVEL": "WARNING"})
    stack.callback(web.stop)
    os.sched_setaffinity(0, others)
    return Site(web.wait(), url, f"bench-{transport}", keys)


def _database(server_url: str, name: str, *, template: str = "template1") -> str:
    """The URL of a new database, made as a copy of `template`."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'create database "{name}" template "{template}"'.encode())
    return urlsplit(server_url)._replace(path=f"/{name}").geturl()


def _python(database_url: str, *arguments: str) -> str:
    environment = {**os.environ, "DATABASE_URL": database_url}
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
