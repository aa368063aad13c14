"""A program we run: how it is started, told to stop, and found again when it was left behind."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from beatra_site.parent_death import die_with_parent


class ProgramError(Exception):
    """A program ended when it should not have, or did not answer in time. The text is for the terminal."""


@dataclass(frozen=True)
class Program:
    """What to run and how. `uid` and `gid` are given when it must run as somebody else than we are."""

    name: str
    command: Sequence[str]
    log: Path
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    uid: int | None = None
    gid: int | None = None
    pass_fds: tuple[int, ...] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    # Sent by the kernel when we die without having stopped it
    death_signal: signal.Signals = signal.SIGKILL
    stop_seconds: float = 10
    # The highest number stops first; equal numbers stop together
    stop_order: int = 0
    # Done before every start: clears what an earlier process left behind
    before_start: Callable[[], None] | None = None


def start(program: Program) -> subprocess.Popen[bytes]:
    """Start `program` as our direct child, in a session of its own (a Ctrl-C is ours to pass on), output into its log.

    Only call this from the main thread: the kernel ties the death signal to the thread that forked.
    """
    if program.before_start is not None:
        program.before_start()
    program.log.parent.mkdir(parents=True, exist_ok=True)
    parent = os.getpid()

    def in_child() -> None:
        die_with_parent(program.death_signal, parent=parent)

    with program.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 — every command is ours
            list(program.command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=program.cwd,
            env=dict(program.environment),
            user=program.uid,
            group=program.gid,
            extra_groups=[] if program.uid is not None else None,
            pass_fds=program.pass_fds,
            start_new_session=True,
            preexec_fn=in_child,
        )


def ask_to_stop(process: subprocess.Popen[bytes], *, program: Program) -> None:
    """Send the stop signal, once: many programs take a second one for impatience."""
    if process.poll() is None:
        process.send_signal(program.stop_signal)


def wait_or_kill(process: subprocess.Popen[bytes], *, program: Program, hurry: Callable[[], bool] = lambda: False) -> None:
    """Wait `program.stop_seconds`, or until `hurry()`, for the process to end; then kill it and all of its group."""
    deadline = time.monotonic() + program.stop_seconds
    while process.poll() is None and time.monotonic() < deadline and not hurry():
        time.sleep(0.02)
    kill_group(process)


def stop(process: subprocess.Popen[bytes], *, program: Program) -> None:
    """Ask it to stop, wait, and kill what is left."""
    ask_to_stop(process, program=program)
    wait_or_kill(process, program=program)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the process and of its children, and reap it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def tail(log: Path, *, lines: int = 15) -> str:
    """The last lines of a log, for the terminal."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def end_leftovers(folder: Path, *, executable: str, polite_signal: signal.Signals, patience_seconds: float = 10) -> None:
    """End every process of `executable` that still works in `folder`: a supervisor that was killed may have left them.

    The caller holds the lock of the data folder, so none of them has an owner any more. Where there is no /proc,
    nothing is found. Raises ProgramError when one can't be ended.
    """
    deadline = time.monotonic() + patience_seconds
    asked: set[int] = set()
    while left := _working_in(folder, executable=executable):
        late = time.monotonic() > deadline
        for pid in left if late else left - asked:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if late else polite_signal)
        asked |= left
        time.sleep(0.02)
        if time.monotonic() > deadline + 5:
            raise ProgramError(f"processes {sorted(left)} still use {folder} and cannot be ended")


def _working_in(folder: Path, *, executable: str) -> set[int]:
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (entry / "cwd").readlink() == folder and (entry / "exe").readlink().name.startswith(executable):
                found.add(int(entry.name))
    return found
