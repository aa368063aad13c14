"""PostgreSQL from the wheel: as any user, in any folder, after any end."""

import os
import signal
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from beatra_site.embedded.postgres import Postgres
from tests.embedded.conftest import Start


def rows(server: Postgres) -> list[int]:
    with psycopg.connect(server.url) as connection:
        return [value for (value,) in connection.execute("SELECT value FROM kept ORDER BY value")]


def keep(server: Postgres, value: int) -> None:
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value integer)")
        connection.execute("INSERT INTO kept VALUES (%s)", [value])


def test_it_is_a_cluster_as_production_wants_it(folder: Path, run: Start) -> None:
    server = Postgres(folder / "postgres", log=folder / "log")
    run(server)
    assert server.fresh
    names = ("server_encoding", "data_checksums", "fsync", "password_encryption", "listen_addresses", "unix_socket_directories")
    with psycopg.connect(server.url) as connection:
        assert [connection.execute(f"SHOW {name}").fetchone()[0] for name in names] == [
            "UTF8",
            "on",
            "on",
            "scram-sha-256",
            "127.0.0.1",
            "",
        ]
        query = "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = current_database()"
        assert connection.execute(query).fetchone() == ("b", "C.UTF-8")
        assert connection.execute("SELECT lower('ÄÖÜ')").fetchone() == ("äöü",)


def test_it_lets_nobody_in_without_the_password(postgres: Callable[[], Postgres], run: Start) -> None:
    server = postgres()
    run(server)
    for password in ("wrong", ""):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"host=127.0.0.1 port={server.port} user=beatra password={password} dbname=beatra")
    assert stat.S_IMODE((server.folder / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700


def test_texts_of_statements_stay_out_of_its_log(postgres: Callable[[], Postgres], run: Start) -> None:
    server = postgres()
    run(server)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE said (prompt text UNIQUE)")
        for _ in range(2):
            with suppress(psycopg.errors.UniqueViolation):
                connection.execute("INSERT INTO said VALUES ('a very private prompt')")
    assert "duplicate key" in server.log.read_text()
    assert "very private" not in server.log.read_text()


def test_a_second_start_finds_its_data(postgres: Callable[[], Postgres], run: Start) -> None:
    first = postgres()
    process = run(first)
    keep(first, 1)
    process.send_signal(signal.SIGINT)
    process.wait(20)
    second = postgres()
    run(second)
    assert not second.fresh
    assert rows(second) == [1]


def test_a_killed_server_starts_again_with_everything_committed(postgres: Callable[[], Postgres], run: Start) -> None:
    server = postgres()
    for value in range(3):
        process = run(server)
        keep(server, value)
        process.kill()
        process.wait()
    run(server)
    assert rows(server) == [0, 1, 2]


def test_a_server_left_running_is_ended_by_the_next_start(postgres: Callable[[], Postgres], run: Start) -> None:
    left = postgres()
    process = run(left)
    keep(left, 1)
    following = postgres()
    run(following)
    assert process.wait(1) == 0
    assert rows(following) == [1]


def test_a_lock_file_that_names_a_stranger_is_no_obstacle(postgres: Callable[[], Postgres], run: Start) -> None:
    """After a reboot the old server's process id belongs to somebody else."""
    server = postgres()
    process = run(server)
    lock_file = server.data / "postmaster.pid"
    text = lock_file.read_text()
    process.kill()
    process.wait()
    lock_file.write_text(text.replace(str(process.pid), str(os.getpid()), 1))
    run(server)
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_an_initdb_that_was_cut_off_is_done_anew(postgres: Callable[[], Postgres], run: Start, folder: Path) -> None:
    unfinished = folder / "postgres" / "unfinished"
    unfinished.mkdir(parents=True)
    (folder / "postgres").chmod(0o711)
    (unfinished / "PG_VERSION").write_text("18\n")
    server = postgres()
    run(server)
    assert server.fresh
    assert not unfinished.exists()
