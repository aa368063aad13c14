"""Whatever comes from outside lies in one folder meanwhile, and has no name there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import web
from django.conf import settings

from tasks_app.engine import saving
from tasks_app.uploads.fetch import fetched
from tasks_app.uploads.nameless import nameless
from tests.contract.https_server import serving
from tests.tasks_app import media_files as files
from tests.tasks_app.paid_task import paid_task


def lying_in() -> list[str]:
    """The nameless files of this process under INCOMING."""
    open_ = [str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    return [name for name in open_ if name.startswith(f"{settings.INCOMING}/") and name.endswith(" (deleted)")]


def test_it_is_gone_when_it_is_closed():
    with nameless() as file:
        file.write(b"x")
        assert len(lying_in()) == 1
        assert list(settings.INCOMING.iterdir()) == []
    assert lying_in() == []


@pytest.mark.usefixtures("committed")
def test_what_is_fetched_for_a_task_comes_in_there():
    seen: list[list[str]] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        seen.append(lying_in())
        return web.Response(body=files.wav(8))

    with serving(handle) as (origin, network):
        fetched(f"{origin}/a.wav", paid_task(), most_bytes=10**6, accepts=lambda content: None, network=network)
    assert [len(names) for names in seen] == [1]
    assert lying_in() == []


def test_so_does_a_clip():
    provider = SimpleNamespace(fetch=lambda clip, file: file.writelines([b"the ", b"bytes"]))
    with saving._fetched(provider, {"url": "https://a.example/clip.mp3"}) as file:
        assert file.read() == b"the bytes"
        assert len(lying_in()) == 1
    assert lying_in() == []
