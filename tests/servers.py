"""The servers the tests run against: started before Django's settings are read, gone when pytest ends, however it ends.

A pytest plugin (`-p tests.servers` in pyproject.toml), because pytest-django reads the settings before any conftest.py.
It gives the tests an environment of their own, in a temporary `$VAR`: nothing of a running `make run` leaks in. A
DATABASE_URL or REDIS_URL in the environment is used instead of the embedded server.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from beatra_site.embedded import web
from beatra_site.embedded.environment import direct
from beatra_site.embedded.ports import LOOPBACK, free_port
from beatra_site.embedded.postgres import Postgres
from beatra_site.embedded.programs import Program, ProgramError, start, stop, tail
from beatra_site.embedded.valkey import Valkey

ROOT = Path(__file__).resolve().parent.parent

# Nothing on this machine is asked for through a proxy.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))

_SECRETS = ("SECRET_KEY", "KEY_PEPPER", "SANDBOX_CHECKOUT_KEY", "SANDBOX_WEBHOOK_SECRET")

# A test's database need not outlive the machine's power, only its own process; it takes little of a disk that may be nearly full; and
# it has connections for all the web processes that tests start beside the shared one, some twenty, each with two pools of ten.
_TEST_POSTGRES = {"fsync": "off", "full_page_writes": "off", "min_wal_size": "32MB", "max_wal_size": "64MB", "max_connections": "600"}


class Server:
    """A process of ours under test. Its environment is pytest's own, with `environment` on top."""

    def __init__(
        self, name: str, command: Sequence[str], *, var: Path, environment: Mapping[str, str] | None = None, stop_seconds: float = 40
    ) -> None:
        self.program = Program(
            name=name,
            command=command,
            log=var / "log" / f"{name}.log",
            cwd=ROOT,
            environment={**os.environ, **(environment or {})},
            stop_seconds=stop_seconds,
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, and return at once."""
        self.process = start(self.program)

    def stop(self) -> None:
        """SIGTERM, and wait until it is gone."""
        if self.process is not None:
            stop(self.process, program=self.program)
            self.process = None

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        stop(self.process, program=self.program)
        self.process = None

    @property
    def pid(self) -> int:
        assert self.process is not None, f"{self.program.name} is not running"
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> str:
        """Everything it has written so far."""
        return self.program.log.read_text(errors="replace") if self.program.log.exists() else ""

    def wait_for(self, url: str, *, seconds: float = 40) -> None:
        """Wait until `url` answers 200."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                with DIRECT.open(url, timeout=seconds) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            assert self.alive, f"{self.program.name} ended:\n{tail(self.program.log, lines=40)}"
            assert time.monotonic() < deadline, f"{url} does not answer:\n{tail(self.program.log, lines=40)}"
            time.sleep(0.05)


class Web(Server):
    """A web process: `url` is its origin, `v1` the base URL of the API."""

    def __init__(self, name: str, *, var: Path, database_url: str, environment: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.v1 = f"{self.url}/v1"
        drain_seconds = float((environment or {}).get("DRAIN_SECONDS", "30"))
        command = [sys.executable, *web.arguments(drain_seconds=drain_seconds), "--host", LOOPBACK, "--port", str(self.port)]
        environment = {"DATABASE_URL": database_url, "SITE_URL": self.url, **(environment or {})}
        super().__init__(name, command, var=var, environment=environment, stop_seconds=web.stop_seconds(drain_seconds))

    def wait(self) -> "Web":
        """Wait until it takes work."""
        self.wait_for(f"{self.url}/readyz")
        return self


class Servers:
    """The servers of one pytest run, and the temporary `$VAR` they live in."""

    def __init__(self) -> None:
        self.var = Path(tempfile.mkdtemp(prefix="beatra-test-"))
        self.var.chmod(0o711)  # the database server may run as another user, who must get through
        (self.var / "static").mkdir()
        self._running: list[tuple[subprocess.Popen[bytes], Program]] = []
        self._stand_ins: list[Path] = []
        self.sandbox: Server | None = None
        # Those that many tests share and none stops
        self.shared: list[Server] = []

    def start(self) -> None:
        """Start what the environment does not give, and set the environment. About a second."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends pytest as a Ctrl-C does: with everything stopped
        environment = {"VAR": str(self.var), "DEBUG": "0", "EMAIL_URL": "", "SANDBOX": "1", **direct(os.environ)}
        # A developer's own keys must not let a test reach a real provider: neither from the shell nor from .env.
        environment |= {name: "" for name in [*os.environ, *_names_in(ROOT / ".env")] if name.endswith("_API_KEY")}
        environment |= dict.fromkeys(("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"), "")
        # Tests make the routes that they share fail, one after another: tests of breakers start a process of their own
        environment["BREAKER_FAILURES"] = "1000000"
        # A machine that is short of time is no Redis that is away
        environment["TOKEN_BUCKET_SECONDS"] = "5"
        environment |= {name: os.environ.get(name) or f"tests-{name.lower()}" for name in _SECRETS}

        valkey = None if os.environ.get("REDIS_URL") else Valkey(self.var / "valkey", log=self.var / "log" / "valkey.log")
        if valkey:
            started = self._run(valkey.program)
            environment["REDIS_URL"] = valkey.url
        if not os.environ.get("DATABASE_URL"):
            postgres = Postgres(self.var / "postgres", log=self.var / "log" / "postgres.log", settings=_TEST_POSTGRES)
            self._stand_ins.append(postgres.folder)
            server = self._run(postgres.program)
            postgres.wait(alive=lambda: server.poll() is None)
            environment["DATABASE_URL"] = postgres.url
        if valkey:
            valkey.wait(alive=lambda: started.poll() is None)
        os.environ.update(environment)
        if not os.environ.get("SANDBOX_URL"):
            # Started, not waited for: the fixture `sandbox` does that.
            port = free_port()
            os.environ["SANDBOX_URL"] = f"http://{LOOPBACK}:{port}"
            command = [sys.executable, "-m", "beatra_site.sandbox", "--host", LOOPBACK, "--port", str(port), "--faults"]
            self.sandbox = Server("sandbox", command, var=self.var)
            self.shared.append(self.sandbox)

    def _run(self, program: Program) -> subprocess.Popen[bytes]:
        process = start(program)
        self._running.append((process, program))
        return process

    def gone(self) -> list[tuple[subprocess.Popen[bytes], Program]]:
        """Those that have ended although nobody told them to."""
        shared = [(server.process, server.program) for server in self.shared if server.process is not None]
        running = [*self._running, *shared]
        return [(process, program) for process, program in running if process.poll() is not None]

    def stop(self) -> None:
        """Stop everything, the last one first, and remove the temporary folder."""
        if self.sandbox is not None:
            self.sandbox.stop()
        while self._running:
            process, program = self._running.pop()
            stop(process, program=program)
        for folder in (*self._stand_ins, self.var):
            shutil.rmtree(folder, ignore_errors=True)


def _names_in(file: Path) -> list[str]:
    if not file.is_file():
        return []
    return [line.partition("=")[0].removeprefix("export ").strip() for line in file.read_text().splitlines() if "=" in line]


SERVERS = Servers()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Runs before pytest-django's own hook, which reads the settings."""
    early_config.add_cleanup(SERVERS.stop)
    try:
        SERVERS.start()
    except ProgramError as error:
        raise pytest.UsageError(str(error)) from error


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Without its servers no test says anything: the first failure that finds one gone is the last."""
    if call.excinfo is not None and (gone := SERVERS.gone()):
        item.session.shouldstop = f"{', '.join(program.name for _, program in gone)} ended by itself"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Why, and whether the machine has room left."""
    for process, program in SERVERS.gone():
        terminalreporter.section(f"{program.name} ended by itself, status {process.returncode}")
        terminalreporter.line(tail(program.log, lines=20))
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        free = shutil.disk_usage(SERVERS.var).free // 2**20
        memory = Path("/proc/meminfo")
        available = [line for line in memory.read_text().splitlines() if line.startswith("MemAvailable")] if memory.exists() else []
        terminalreporter.line(f"{free} MiB free in {SERVERS.var}; {' '.join(available)}")


if __name__ == "__main__":
    # python -m tests.servers COMMAND...: run a Python command, such as `manage.py migrate`, on servers like the tests'
    SERVERS.start()
    try:
        sys.exit(subprocess.run([sys.executable, *sys.argv[1:]], cwd=ROOT, check=False).returncode)
    finally:
        SERVERS.stop()
