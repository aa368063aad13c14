"""What `make run` does, in its order: PostgreSQL and Valkey, the database's contents, then sandbox, web and workers.

Given DATABASE_URL or REDIS_URL, that server is not started. The sandbox providers and the demo's account come with an
embedded database; over a database of somebody's own, SANDBOX=1 must be said.
"""

import os
import secrets
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import environ

from beatra_site.embedded import environment, screen, web
from beatra_site.embedded.demo import DemoFile
from beatra_site.embedded.lock import AlreadyRunningError, FolderLock
from beatra_site.embedded.ports import LOOPBACK, PortTakenError, free_port, listen
from beatra_site.embedded.postgres import Postgres
from beatra_site.embedded.programs import Program, ProgramError, tail
from beatra_site.embedded.supervisor import Supervisor
from beatra_site.embedded.valkey import Valkey

_READY_SECONDS = 120
_MOST_WEB_PROCESSES = 100
_MOST_CALLS = 1000
_LOG_BYTES = 10_000_000
# A supervisor that was killed a moment ago may have left its port taken for as long
_PORT_PATIENCE_SECONDS = 2
# Made once per data folder
_SECRETS = ("SECRET_KEY", "KEY_PEPPER", "SANDBOX_CHECKOUT_KEY", "SANDBOX_WEBHOOK_SECRET")
# What is on this machine is not asked for through a proxy
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Run:
    """One `make run` on the data folder `var`. `given` is its owner's environment; `say` prints a line.

    `drain_seconds` is how long calls in flight get at the end.
    """

    def __init__(self, *, var: Path, root: Path, given: Mapping[str, str], drain_seconds: float, say: Callable[[str], None]) -> None:
        self.var = var
        self.root = root
        self.given = {name: value for name, value in given.items() if value}
        self.drain_seconds = drain_seconds
        self.say = say
        self.supervisor = Supervisor(say=say)
        self.demo = DemoFile(var)
        # What we add to the given environment; also the content of servers.env
        self.embedded: dict[str, str] = {}

    def up(self) -> None:
        """Start everything and mind it until a signal raises KeyboardInterrupt. Raises ProgramError."""
        self.web_processes = self._number("WEB_PROCESSES", "1", least=1, most=_MOST_WEB_PROCESSES, what="number of processes")
        self.task_calls = self._number("TASK_CALLS", "8", least=1, most=_MOST_CALLS, what="number of calls at the same time")
        port = self._number("PORT", "8000", least=0, most=65535, what="port number")
        os.umask(0o077)
        fresh = self._make_folder()
        try:
            lock = FolderLock(self.var)
        except AlreadyRunningError as error:
            raise ProgramError(f"beatra already runs on {self.var}: {error}. For another beside it: make run VAR=var2 PORT=8001") from error
        try:
            with self._listen(port, fresh=fresh) as listener:
                self.url = self.given.get("SITE_URL") or f"http://{LOOPBACK}:{listener.getsockname()[1]}"
                lock.describe(f"process {os.getpid()}, {self.url}")
                self.demo.withdraw()
                self._start(listener)
                self.supervisor.watch()
        finally:
            self.demo.withdraw()
            self.supervisor.stop()
            lock.release()

    def _number(self, name: str, default: str, *, least: int, most: int, what: str) -> int:
        text = self.given.get(name, default)
        if not text.isdecimal() or len(text) > 9 or not least <= int(text) <= most:
            raise ProgramError(f"{name}={text} is no {what} from {least} to {most}")
        return int(text)

    def _make_folder(self) -> bool:
        """The data folder. Whether it is new."""
        try:
            fresh = not self.var.exists()
            if fresh:
                self.var.mkdir(parents=True)
                self.var.chmod(0o711)  # the database's user may have to pass through
            (self.var / "static").mkdir(exist_ok=True)  # STATIC_ROOT: empty unless somebody runs collectstatic
        except OSError as error:
            raise ProgramError(f"VAR={self.var} can't be the data folder: {error.strerror}") from error
        return fresh

    def _take_back_folder(self) -> None:
        """Remove a data folder in which nothing was started."""
        with suppress(OSError):
            (self.var / "lock").unlink()
            (self.var / "static").rmdir()
            self.var.rmdir()

    def _start(self, listener: socket.socket) -> None:
        self._start_servers()
        if self._sandboxed and "WELCOME_CREDITS" not in self.given:
            self.embedded["WELCOME_CREDITS"] = "1000"  # so that a visitor's own account can call at once
        if self._sandboxed and "SANDBOX_URL" not in self.given:
            port = free_port()
            self.embedded["SANDBOX_URL"] = f"http://{LOOPBACK}:{port}"
            self.supervisor.start(self._module("sandbox", "beatra_site.sandbox", "--host", LOOPBACK, "--port", str(port), stop_order=2))
        environment.write(self.var / "servers.env", self.embedded)
        self._prepare()
        self._start_web(listener)
        demo = self.demo.publish(base_url=f"{self.url}/v1") if self._sandboxed else None
        # Last: nobody waits for it, and it would take the processor from those that somebody waits for.
        self._start_workers()
        self.say(screen.ready(url=self.url, demo=demo, var=self.var))

    def _start_servers(self) -> None:
        """PostgreSQL and Valkey, unless given, side by side; and the settings that belong to them."""
        if "REDIS_URL" not in self.given:
            valkey = Valkey(self.var / "valkey", log=self._log("valkey"))
            valkey_alive = self.supervisor.start(valkey.program)
            self.embedded["REDIS_URL"] = valkey.url
        if "DATABASE_URL" not in self.given:
            postgres = Postgres(self.var / "postgres", log=self._log("postgres"))
            if postgres.fresh:
                self.demo.forget()
            postgres.wait(alive=self.supervisor.start(postgres.program))
            self.embedded["DATABASE_URL"] = postgres.url
            if "SANDBOX" not in self.given:
                self.embedded["SANDBOX"] = "true"  # spelled as nobody types it, see environment.given
        if "REDIS_URL" not in self.given:
            valkey.wait(alive=valkey_alive)
        kept = environment.read(self.var / "servers.env")
        for name in _SECRETS:
            if name not in self.given:
                self.embedded[name] = kept.get(name) or secrets.token_urlsafe(48)
        if "SITE_URL" not in self.given:
            self.embedded["SITE_URL"] = self.url

    def _prepare(self) -> None:
        """Migrate and seed; the first time with the demo's account."""
        demo = ["--demo", str(self.demo.made)] if self._sandboxed and not self.demo.made.exists() else []
        prepare = self._module("prepare", "beatra_site.embedded.prepare", *demo)
        self.supervisor.run(prepare)

    def _start_web(self, listener: socket.socket) -> None:
        """The web processes share one listening socket, ours, so that callers queue while one of them restarts."""
        command = [*web.arguments(drain_seconds=self.drain_seconds), "--fd", str(listener.fileno())]
        for number in range(1, self.web_processes + 1):
            name = "web" if number == 1 else f"web-{number}"
            program = self._python(
                name, *command, pass_fds=(listener.fileno(),), stop_seconds=web.stop_seconds(self.drain_seconds), stop_order=3
            )
            alive = self.supervisor.start(program)
        deadline = time.monotonic() + _READY_SECONDS
        while not _answers(f"http://{LOOPBACK}:{listener.getsockname()[1]}/readyz"):
            if not alive() or time.monotonic() > deadline:
                raise ProgramError(f"The site did not start; the end of {program.log}:\n{tail(program.log)}")
            self.supervisor.mind()
            time.sleep(0.05)

    def _start_workers(self) -> None:
        """One for our own work; one, a single process, for what waits for servers elsewhere; and two for tasks, one for their short steps,
        one for calls that last for minutes, which are nothing but threads that wait."""
        self.supervisor.start(self._worker("worker", "--queues", "beatra", "--beat", "--concurrency", "2"))
        self.supervisor.start(self._worker("worker-outside", "--queues", "outside", "--pool", "solo"))
        self.supervisor.start(self._worker("worker-music", "--queues", "music", "--pool", "threads", "--concurrency", "4"))
        threads = ["--pool", "threads", "--concurrency", str(self.task_calls)]
        self.supervisor.start(self._worker("worker-music-calls", "--queues", "music-calls", *threads))

    def _worker(self, name: str, *arguments: str) -> Program:
        command = ["celery", "-A", "beatra_site", "worker", "--hostname", f"{name}@%h", *arguments]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "info"]
        return self._module(name, *command, stop_seconds=30, stop_order=3)

    @property
    def _sandboxed(self) -> bool:
        value = self.given.get("SANDBOX") or self.embedded.get("SANDBOX", "")
        return value.lower() in environ.Env.BOOLEAN_TRUE_STRINGS

    def _module(self, name: str, module: str, *arguments: str, stop_order: int = 0, stop_seconds: float = 10) -> Program:
        return self._python(name, "-m", module, *arguments, stop_order=stop_order, stop_seconds=stop_seconds)

    def _python(self, name: str, *arguments: str, pass_fds: tuple[int, ...] = (), stop_order: int, stop_seconds: float) -> Program:
        return Program(
            name=name,
            command=[sys.executable, *arguments],
            log=self._log(name),
            cwd=self.root,
            environment={**self.given, **self.embedded, **environment.direct(self.given), "VAR": str(self.var), "PYTHONUNBUFFERED": "1"},
            pass_fds=pass_fds,
            stop_order=stop_order,
            stop_seconds=stop_seconds,
        )

    def _log(self, name: str) -> Path:
        log = self.var / "log" / f"{name}.log"
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_suffix(".log.old"))
        return log

    def _listen(self, port: int, *, fresh: bool) -> socket.socket:
        deadline = time.monotonic() + _PORT_PATIENCE_SECONDS
        while True:
            try:
                return listen(port)
            except PortTakenError as error:
                if time.monotonic() > deadline:
                    other = port + 1 if port < 65535 else 8000
                    if fresh:
                        self._take_back_folder()
                    raise ProgramError(f"Port {port} can't be used ({error}). Choose another one: make run PORT={other}") from error
            time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with _DIRECT.open(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
