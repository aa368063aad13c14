"""One `make run` per data folder: a second one is told so and leaves everything alone."""

import fcntl
import os
from pathlib import Path


class AlreadyRunningError(Exception):
    """Another process holds the data folder. `holder` is what it says of itself."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


class FolderLock:
    """Holds `<folder>/lock` until `release()` or the end of the process, also a violent one. Children don't inherit it."""

    def __init__(self, folder: Path) -> None:
        """Raises AlreadyRunningError."""
        self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 1000, 0).decode(errors="replace").strip()
            os.close(self._file)
            raise AlreadyRunningError(holder) from None
        self.describe(f"process {os.getpid()}")

    def describe(self, holder: str) -> None:
        """What a second start is told about us."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{holder}\n".encode(), 0)

    def release(self) -> None:
        """Let the next one in."""
        os.ftruncate(self._file, 0)
        os.close(self._file)
