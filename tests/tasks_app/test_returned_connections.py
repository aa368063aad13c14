"""Whoever waits for a name or for the storage keeps no connection to the database from others."""

from __future__ import annotations

import io
import os
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import connection, connections

from contract.fetching import Network
from tasks_app.music import reference
from tasks_app.uploads import storing
from tests.contract.wire import eventually
from tests.factories import WalletFactory
from tests.tasks_app import media_files as files
from tests.tasks_app.asking import REFERENCE, ask

POOL = 2

# The system's resolver: names that end in .slow are asked for until the file `answer` is there, and leave a file for each question
RESOLVER = """
import os, socket, time
ask = socket.getaddrinfo
def getaddrinfo(host, *args, **kwargs):
    if isinstance(host, str) and host.endswith(".slow"):
        open(os.path.join({folder!r}, "asked-" + host), "w").close()
        while not os.path.exists(os.path.join({folder!r}, "answer")):
            time.sleep(0.02)
        raise socket.gaierror("no such name")
    return ask(host, *args, **kwargs)
socket.getaddrinfo = getaddrinfo
"""


@pytest.fixture
def slow_names(tmp_path: Path):
    """Where the questions are seen, and, in the end, answered."""
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(RESOLVER.format(folder=str(tmp_path))))
    yield tmp_path
    (tmp_path / "answer").touch()


def test_slow_names_leave_the_api_answering(site, customer, slow_names: Path):
    path = os.pathsep.join([str(slow_names), *filter(None, [os.environ.get("PYTHONPATH")])])
    web = site.start_web({"DATABASE_POOL_SIZE": str(POOL), "PYTHONPATH": path})
    owner, another = customer(), customer()

    def by_slow_name(number: int) -> Any:
        given = {"type": "url", "url": f"https://a{number}.slow/theme.mp3"}
        return ask(owner, {"prompt": "by strings", "reference_audio": given}, path=REFERENCE, v1=web.v1)

    with ThreadPoolExecutor(8) as threads:
        asking = [threads.submit(by_slow_name, number) for number in range(8)]
        # More of them at a time than there are connections
        assert eventually(lambda: len(list(slow_names.glob("asked-*"))) > POOL, seconds=30)
        assert not any(one.done() for one in asking)
        assert another.http.get(f"{web.v1}/tasks").status_code == 200
        (slow_names / "answer").touch()
        assert {one.result().status_code for one in asking} == {400}
    web.stop()


@pytest.mark.usefixtures("committed")
def test_the_connection_is_back_before_a_name_is_asked_for():
    account_id = WalletFactory().account_id
    mine = connections["default"]
    held: list[bool] = []

    async def resolve(host: str, port: int) -> list[str]:
        held.append(mine.connection is not None)
        return ["93.184.215.14"]

    assert mine.connection is not None
    reference.check({"type": "url", "url": "https://a.example/a.mp3"}, account_id=account_id, network=Network(resolve=resolve))
    assert held == [False]


@pytest.mark.usefixtures("committed")
def test_the_connection_is_back_before_bytes_are_put_into_storage(tmp_path: Path, settings):
    account_id = WalletFactory().account_id
    options = {"location": str(tmp_path)}
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": f"{__name__}.{WatchedStorage.__name__}", "OPTIONS": options}}
    artifact = storing.store(io.BytesIO(files.wav()), account_id=account_id, kind="upload")
    assert WatchedStorage.held == [False]
    assert default_storage.exists(artifact.storage_name)
    storing.remove(artifact)


class WatchedStorage(FileSystemStorage):
    """Django's, which notes whether whoever puts a file there holds a connection."""

    held: list[bool] = []

    def _save(self, name: str, content: Any) -> str:
        self.held.append(connection.connection is not None)
        return super()._save(name, content)
