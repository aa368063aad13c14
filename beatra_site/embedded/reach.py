"""Which user may run the servers, and which folders that user can reach.

PostgreSQL refuses to run as root, so root runs it as `nobody`. That user can't enter a closed home folder (/root is
0700), neither to read the programs nor to reach the data: both then live under /var/lib/beatra.
"""

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

OPEN_PLACE = Path("/var/lib/beatra")


@dataclass(frozen=True)
class ServerUser:
    """The user that the database server runs as."""

    uid: int
    gid: int
    name: str

    def can_enter(self, folder: Path) -> bool:
        """Whether this user can work in `folder`."""
        return self._can(["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)])

    def can_run(self, program: Path) -> bool:
        """Whether this user can start `program`, its libraries included."""
        return self._can([str(program), "--version"])

    def _can(self, command: list[str]) -> bool:
        try:
            done = subprocess.run(  # noqa: S603 — the commands above
                command,
                user=self.uid,
                group=self.gid,
                extra_groups=[],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        except OSError:
            return False
        return done.returncode == 0


def server_user(data: Path) -> ServerUser | None:
    """Who runs the database server on `data`: None means we do; for root, the owner of the data, at first `nobody`."""
    if os.geteuid() != 0:
        return None
    owner = data.stat().st_uid if data.exists() else 0
    entry = pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")
    return ServerUser(uid=entry.pw_uid, gid=entry.pw_gid, name=entry.pw_name)


def open_place_for(folder: Path) -> Path:
    """Where the data of `folder` lies when `folder` itself is closed to the server's user."""
    return OPEN_PLACE / hashlib.sha256(str(folder).encode()).hexdigest()[:16]


def make_open_place() -> Path:
    """/var/lib/beatra, made if need be; everybody may pass through it."""
    OPEN_PLACE.mkdir(mode=0o755, parents=True, exist_ok=True)
    OPEN_PLACE.chmod(0o755)
    return OPEN_PLACE


def copy_to_open_place(name: str, *, sources: list[Path], root: Path) -> Path:
    """Copy `sources` (folders under `root`) to /var/lib/beatra/`name`, once, and return that. Whole or not at all."""
    place = make_open_place() / name
    if place.is_dir():
        return place
    with tempfile.TemporaryDirectory(dir=OPEN_PLACE) as temporary:
        fresh = Path(temporary) / name
        for source in sources:
            shutil.copytree(source, fresh / source.relative_to(root), symlinks=True)
        for folder, _, files in os.walk(fresh):
            Path(folder).chmod(0o755)
            for file in files:
                path = Path(folder) / file
                if not path.is_symlink():
                    path.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
        try:
            fresh.rename(place)
        except OSError:
            if not place.is_dir():  # else another start was quicker
                raise
    return place
