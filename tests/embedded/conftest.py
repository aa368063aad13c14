"""Folders and servers for the tests of the embedded servers. None of them uses the servers of the test run itself."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from beatra_site.embedded import reach
from beatra_site.embedded.postgres import Postgres
from beatra_site.embedded.programs import Program, start, stop
from beatra_site.embedded.valkey import Valkey


@pytest.fixture
def folder() -> Iterator[Path]:
    """A new folder that every user can pass through (pytest's own are closed to others)."""
    path = Path(tempfile.mkdtemp(prefix="beatra-embedded-"))
    path.chmod(0o711)
    yield path
    remove(path)


def remove(path: Path) -> None:
    """Remove a data folder, and what root keeps elsewhere for it."""
    shutil.rmtree(reach.open_place_for(path / "postgres"), ignore_errors=True)
    shutil.rmtree(path, ignore_errors=True)


Start = Callable[[Postgres | Valkey], subprocess.Popen[bytes]]


@pytest.fixture
def run() -> Iterator[Start]:
    """Start a server and wait until it answers; it is stopped after the test."""
    started: list[tuple[subprocess.Popen[bytes], Program]] = []

    def begin(server: Postgres | Valkey) -> subprocess.Popen[bytes]:
        process = start(server.program)
        started.append((process, server.program))
        server.wait(alive=lambda: process.poll() is None)
        return process

    yield begin
    for process, program in reversed(started):
        stop(process, program=program)


# Only a loss of power would show the difference, and it makes a cluster in half the time.
NO_FSYNC = {"fsync": "off"}


@pytest.fixture
def postgres(folder: Path) -> Callable[[], Postgres]:
    """A PostgreSQL on the test's folder: each call is what the next `make run` would make."""
    return lambda: Postgres(folder / "postgres", log=folder / "postgres.log", settings=NO_FSYNC)


@pytest.fixture
def valkey(folder: Path) -> Callable[[], Valkey]:
    """A Valkey on the test's folder: each call is what the next `make run` would make."""
    return lambda: Valkey(folder / "valkey", log=folder / "valkey.log")
