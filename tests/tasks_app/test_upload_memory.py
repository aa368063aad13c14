"""What an upload takes of a web process' memory, measured in the process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from contract import limits
from tests import patient
from tests.servers import Web
from tests.tasks_app import media_files as files

MOST_MIB = 20
BOUNDARY = "a-boundary"


@pytest.fixture(scope="module")
def web(site) -> Iterator[Web]:
    """A process of its own: what others let the shared one grow by is nobody's upload."""
    web = site.start_web()
    yield web
    web.stop()


def kib(pid: int, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def body(size: int) -> Iterator[bytes]:
    yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="long.wav"\r\n\r\n'.encode()
    yield files.wav(0)[:40] + (size - 44).to_bytes(4, "little")
    left = size - 44
    while left:
        part = min(left, limits.MIB)
        yield bytes(part)
        left -= part
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


def upload(web: Web, owner, size: int) -> httpx.Response:
    headers = {**owner.headers, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return httpx.post(f"{web.v1}/uploads", content=body(size), headers=headers, timeout=120)


def grown(web: Web, work) -> float:
    """MiB by which the process was larger at its peak during `work` than before."""
    Path(f"/proc/{web.pid}/clear_refs").write_text("5")  # the peak is what there is, from now on
    before = kib(web.pid, "VmRSS")
    work()
    return (kib(web.pid, "VmHWM") - before) / 1024


@pytest.mark.parametrize("at_once", [1, 4])
def test_the_largest_upload_takes_little_memory(web: Web, customer, at_once: int):
    owner = customer()
    with ThreadPoolExecutor(at_once) as pool:
        warm = list(pool.map(lambda _: upload(web, owner, limits.MIB), range(at_once)))
        assert {answer.status_code for answer in warm} == {200}
        answers: list[httpx.Response] = []
        growth = grown(web, lambda: answers.extend(pool.map(lambda _: upload(web, owner, limits.UPLOAD), range(at_once))))
    assert [answer.status_code for answer in answers] == [200] * at_once
    for answer in answers:
        assert answer.json()["size_bytes"] == limits.UPLOAD
        patient.delete(f"{web.v1}/uploads/{answer.json()['artifact_id']}", headers=owner.headers)
    assert growth <= MOST_MIB


def test_a_large_file_is_served_with_little_memory(web: Web, customer):
    owner = customer()
    answer = upload(web, owner, limits.UPLOAD)
    url = httpx.URL(answer.json()["url"]).copy_with(port=web.port)

    def fetch() -> None:
        with patient.stream("GET", url) as got:
            assert sum(len(piece) for piece in got.iter_raw()) == limits.UPLOAD

    fetch()
    assert grown(web, fetch) <= MOST_MIB
    patient.delete(f"{web.v1}/uploads/{answer.json()['artifact_id']}", headers=owner.headers)
