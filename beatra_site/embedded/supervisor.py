"""Keeps programs running: starts again what dies, and stops all in order."""

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from beatra_site.embedded.programs import Program, ProgramError, ask_to_stop, kill_group, start, tail, wait_or_kill

_FIRST_DELAY_SECONDS = 0.2
_LONGEST_DELAY_SECONDS = 10.0
# A program that ran this long starts again at once
_STEADY_SECONDS = 30.0
_LOOK_SECONDS = 0.1


@dataclass
class _Kept:
    program: Program
    process: subprocess.Popen[bytes]
    started_at: float
    delay_seconds: float = 0.0
    # Set while it is down: when to start it again
    due_at: float | None = None


class Supervisor:
    """Direct parent of every program. One thread; `say` tells the terminal of restarts."""

    def __init__(self, *, say: Callable[[str], None]) -> None:
        self._say = say
        self._kept: list[_Kept] = []
        self._hurry = False

    def start(self, program: Program) -> Callable[[], bool]:
        """Start a program and keep it from now on. The result tells whether this first process still lives."""
        process = start(program)
        self._kept.append(_Kept(program, process, started_at=time.monotonic()))
        return lambda: process.poll() is None

    def run(self, program: Program, *, seconds: float = 300) -> None:
        """Run a program that ends by itself, while minding the others. Raises ProgramError when it fails."""
        process = start(program)
        deadline = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < deadline:
            self.mind()
            time.sleep(0.02)
        kill_group(process)
        if process.returncode != 0:
            raise ProgramError(f"{program.name} failed; the end of {program.log}:\n{tail(program.log)}")

    def mind(self) -> None:
        """One look at everything: what died is started again, at first at once, then less and less often."""
        now = time.monotonic()
        for kept in self._kept:
            if kept.due_at is None:
                if kept.process.poll() is not None:
                    kill_group(kept.process)  # children of its own may have outlived it
                    self._schedule(kept, steady=now - kept.started_at > _STEADY_SECONDS)
                    again = f"starting it again in {kept.delay_seconds:.1f} s; its log: {kept.program.log}"
                    self._say(f"{kept.program.name} {_ending(kept.process.returncode)}; {again}")
            elif now >= kept.due_at:
                try:
                    kept.process, kept.started_at, kept.due_at = start(kept.program), now, None
                except (OSError, ProgramError) as error:
                    self._say(f"{kept.program.name} does not start: {error}")
                    self._schedule(kept, steady=False)

    def watch(self) -> None:
        """Mind everything, for ever: a signal's exception ends it."""
        while True:
            self.mind()
            time.sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        """Stop everything in the programs' order. One more signal, and what is left is killed."""

        def hurry(*_: object) -> None:
            self._hurry = True

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, hurry)
        while self._kept:
            last = max(kept.program.stop_order for kept in self._kept)
            together = [kept for kept in self._kept if kept.program.stop_order == last]
            for kept in together:
                ask_to_stop(kept.process, program=kept.program)
            for kept in together:
                wait_or_kill(kept.process, program=kept.program, hurry=lambda: self._hurry)
                self._kept.remove(kept)

    @staticmethod
    def _schedule(kept: _Kept, *, steady: bool) -> None:
        longer = min(kept.delay_seconds * 2, _LONGEST_DELAY_SECONDS)
        kept.delay_seconds = _FIRST_DELAY_SECONDS if steady or not longer else longer
        kept.due_at = time.monotonic() + kept.delay_seconds


def _ending(returncode: int) -> str:
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"ended with status {returncode}"
