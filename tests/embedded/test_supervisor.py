"""The supervisor with small programs: starting again, stopping in order, leaving nobody behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from beatra_site.embedded.programs import Program, ProgramError
from beatra_site.embedded.supervisor import Supervisor
from tests.servers import ROOT


def until(condition: Callable[[], bool], *, seconds: float = 20, meanwhile: Callable[[], None] = lambda: None) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        meanwhile()
        time.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said: list[str]) -> Iterator[Supervisor]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    supervisor = Supervisor(say=said.append)
    yield supervisor
    supervisor.stop()
    for number, handler in handlers.items():
        signal.signal(number, handler)


def shell(name: str, script: str, folder: Path, **options: object) -> Program:
    return Program(name=name, command=["/bin/sh", "-c", script], log=folder / f"{name}.log", cwd=folder, **options)


def lines(folder: Path, name: str) -> list[str]:
    file = folder / f"{name}.log"
    return file.read_text().split() if file.exists() else []


def test_what_dies_is_started_again_and_the_terminal_told(supervisor: Supervisor, said: list[str], tmp_path: Path) -> None:
    alive = supervisor.start(shell("job", "echo $$; exec sleep 1000", tmp_path))
    until(lambda: len(lines(tmp_path, "job")) == 1)
    os.kill(int(lines(tmp_path, "job")[0]), signal.SIGKILL)
    until(lambda: len(lines(tmp_path, "job")) == 2, meanwhile=supervisor.mind)
    assert not alive()
    assert "job was ended by SIGKILL" in said[0]
    assert lives(int(lines(tmp_path, "job")[1]))


def test_a_program_that_always_fails_is_started_less_and_less_often(supervisor: Supervisor, said: list[str], tmp_path: Path) -> None:
    supervisor.start(shell("job", "exit 3", tmp_path))
    until(lambda: len(said) == 4, meanwhile=supervisor.mind)
    for line, pause in zip(said, ("0.2", "0.4", "0.8", "1.6"), strict=True):
        assert f"job ended with status 3; starting it again in {pause} s" in line


def test_it_stops_everything_in_order_and_politely(supervisor: Supervisor, tmp_path: Path) -> None:
    goodbye = "trap 'sleep 0.2; echo $0 >> order; exit' TERM; echo up; while :; do sleep 0.02; done"
    for order, name in enumerate(("database", "queue", "web")):
        supervisor.start(
            Program(name=name, command=["/bin/sh", "-c", goodbye, name], log=tmp_path / f"{name}.log", cwd=tmp_path, stop_order=order)
        )
    until(lambda: all(lines(tmp_path, name) for name in ("database", "queue", "web")))
    supervisor.stop()
    assert (tmp_path / "order").read_text().split() == ["web", "queue", "database"]


def test_one_that_will_not_stop_is_killed_with_all_its_children(supervisor: Supervisor, tmp_path: Path) -> None:
    stubborn = "trap '' TERM; sh -c 'echo $$; while :; do sleep 0.05; done' & echo $$; while :; do sleep 0.05; done"
    supervisor.start(shell("job", stubborn, tmp_path, stop_seconds=0.3))
    until(lambda: len(lines(tmp_path, "job")) == 2)
    supervisor.stop()
    for pid in lines(tmp_path, "job"):
        until(lambda pid=pid: not lives(int(pid)))


def test_children_of_a_program_that_died_do_not_outlive_it(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(shell("job", "sleep 1000 & echo $!; wait", tmp_path))
    until(lambda: len(lines(tmp_path, "job")) == 1)
    orphan = int(lines(tmp_path, "job")[0])
    parent = int(Path(f"/proc/{orphan}/stat").read_text().split()[3])
    os.kill(parent, signal.SIGKILL)
    until(lambda: not lives(orphan), meanwhile=supervisor.mind)


def test_a_step_that_fails_is_reported_with_the_end_of_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.run(shell("good", "exit 0", tmp_path))
    with pytest.raises(ProgramError, match="the disk is on fire"):
        supervisor.run(shell("bad", "echo the disk is on fire; exit 1", tmp_path))


def test_everything_ends_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from beatra_site.embedded.programs import Program
from beatra_site.embedded.supervisor import Supervisor
folder = Path(sys.argv[1])
supervisor = Supervisor(say=print)
for name in ("one", "two"):
    supervisor.start(Program(name=name, command=["/bin/sh", "-c", "echo $$; exec sleep 1000"], log=folder / f"{name}.log", cwd=folder))
supervisor.watch()
"""
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT)
    until(lambda: bool(lines(tmp_path, "one") and lines(tmp_path, "two")))
    process.kill()
    process.wait()
    for name in ("one", "two"):
        until(lambda name=name: not lives(int(lines(tmp_path, name)[0])))
