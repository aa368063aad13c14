"""`$VAR/servers.env`: how every other command of this checkout finds the servers that run.

The settings read it for what the environment does not say. Secrets in it are made once per data folder.
"""

import os
from collections.abc import Mapping
from pathlib import Path


def read(file: Path) -> dict[str, str]:
    """The `NAME=value` lines of an env file; empty when there is none."""
    if not file.is_file():
        return {}
    lines = (line.strip().removeprefix("export ") for line in file.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def write(file: Path, values: Mapping[str, str]) -> None:
    """Replace the file at once, readable by nobody else."""
    write_private(file, "".join(f"{name}={value}\n" for name, value in values.items()))


def write_private(file: Path, text: str) -> None:
    """Write a whole file with mode 0600: readers see the old text or the new one, never half."""
    fresh = file.with_name(f".{file.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.rename(file)


def given(servers_env: Path) -> dict[str, str]:
    """The environment as its owner gave it: without what the settings, read before us, took from an older servers.env.

    What reads the same as there came from there. Ports and passwords in it are made anew each time, so nobody else says them.
    """
    older = read(servers_env)
    return {name: value for name, value in os.environ.items() if older.get(name) != value}


def direct(environment: Mapping[str, str]) -> dict[str, str]:
    """The no_proxy variables of `environment` with this machine added: a proxy can't reach what listens on loopback."""
    names = ("no_proxy", "NO_PROXY")
    return {name: ",".join(filter(None, [environment.get(name), "127.0.0.1", "localhost"])) for name in names}
