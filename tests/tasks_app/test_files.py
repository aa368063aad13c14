"""GET /files/<token>: a stored file for whoever has a link, whole or in part, and nothing that a browser could be hurt by."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.signing import TimestampSigner
from django.utils import timezone

from tasks_app import ending
from tasks_app.models import Artifact
from tasks_app.uploads import serve, storing
from tests import patient
from tests.contract.wire import connect, eventually, head
from tests.factories import WalletFactory
from tests.tasks_app import media_files as files
from tests.tasks_app.paid_task import paid_task

pytestmark = pytest.mark.usefixtures("committed")
DATA = files.wav(2)
SIZE = len(DATA)


def stored(data: bytes = DATA, **fields) -> Artifact:
    return storing.store(io.BytesIO(data), account_id=WalletFactory().account_id, kind="upload", **fields)


@pytest.fixture
def artifact() -> Artifact:
    return stored(filename="a song.wav")


@pytest.fixture
def url(site, artifact: Artifact) -> str:
    return site.url + "/files/" + serve.link(artifact).rpartition("/")[2]


def url_of(site, artifact: Artifact) -> str:
    return f"{site.url}/files/{serve.link(artifact).rpartition('/')[2]}"


def test_a_file_comes_whole_and_harmless(url: str, artifact: Artifact):
    answer = patient.get(url)
    assert (answer.status_code, answer.content) == (200, DATA)
    headers = answer.headers
    assert headers["content-type"] == "audio/wav"
    assert headers["content-length"] == str(SIZE)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "sandbox"
    assert headers["content-disposition"] == 'inline; filename="a song.wav"'
    assert headers["cache-control"] == "private, max-age=3600"
    assert headers["accept-ranges"] == "bytes"
    assert headers["etag"] == f'"{artifact.sha256}"'
    assert headers["access-control-allow-origin"] == "*"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert "set-cookie" not in headers
    assert "access-control-allow-credentials" not in headers


def test_a_removed_file_is_served_while_a_task_goes_by_it(url: str, artifact: Artifact):
    """Its provider may have been told the link, and not come yet."""
    task = paid_task(status="running", started_at=timezone.now(), deadline_at=timezone.now() + timedelta(minutes=15), reference=artifact)
    storing.remove(artifact)
    assert patient.get(url).content == DATA
    ending.cancel(task.pk)
    assert patient.get(url).status_code == 404


def test_it_can_be_saved(url: str):
    assert patient.get(f"{url}?download").headers["content-disposition"] == 'attachment; filename="a song.wav"'


@pytest.mark.parametrize(
    ("filename", "disposition"),
    [
        ("", "{id}.wav"),
        ("run.exe", "run.exe.wav"),
        ("page.html", "page.html.wav"),
        ("UPPER.WAV", "UPPER.WAV"),
        ("歌.wav", "filename*=utf-8''%E6%AD%8C.wav"),
    ],
)
def test_it_is_named_as_what_it_is(site, filename: str, disposition: str):
    artifact = stored(filename=filename)
    assert disposition.format(id=artifact.pk) in patient.get(url_of(site, artifact)).headers["content-disposition"]


def test_head_is_get_without_the_bytes(url: str):
    got, headed = patient.get(url), patient.head(url)
    assert (headed.status_code, headed.content) == (200, b"")
    for name in ("content-length", "content-type", "etag", "content-disposition", "last-modified"):
        assert headed.headers[name] == got.headers[name]


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-199", 100, 200),
        ("bytes=44-", 44, SIZE),
        ("bytes=-10", SIZE - 10, SIZE),
        (f"bytes=-{SIZE + 5}", 0, SIZE),
        (f"bytes=0-{SIZE * 2}", 0, SIZE),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        ("bytes= 0-9", 0, 10),
    ],
)
def test_a_range_is_that_part(url: str, asked: str, start: int, end: int):
    answer = patient.get(url, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, DATA[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(end - start)
    assert patient.head(url, headers={"Range": asked}).status_code == 206


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE * 9}-{SIZE * 10}", "bytes=-0", "bytes=999999999999999999-"])
def test_a_range_outside_of_the_file_is_refused(url: str, asked: str):
    answer = patient.get(url, headers={"Range": asked})
    assert (answer.status_code, answer.headers["content-range"], answer.content) == (416, f"bytes */{SIZE}", b"")


@pytest.mark.parametrize(
    "asked", ["bytes=5-2", "bytes=0-1,4-5", "bytes=-", "bytes=a-b", "items=0-1", "bytes", "", "bytes=" + "9" * 40 + "-", "bytes=٣-٤"]
)
def test_what_is_no_single_range_is_the_whole_file(url: str, asked: str):
    answer = patient.get(url, headers={"Range": asked.encode()})
    assert (answer.status_code, answer.content) == (200, DATA)


def test_a_part_is_given_only_of_the_file_that_the_caller_has(url: str):
    first = patient.get(url)
    for known, status in (
        (first.headers["etag"], 206),
        (first.headers["last-modified"], 206),
        ('"other"', 200),
        ("Mon, 01 Jan 2024 00:00:00 GMT", 200),
    ):
        assert patient.get(url, headers={"Range": "bytes=0-9", "If-Range": known}).status_code == status


def test_a_file_that_the_caller_has_is_not_sent_again(url: str):
    first = patient.get(url)
    for name, value, status in (
        ("If-None-Match", first.headers["etag"], 304),
        ("If-None-Match", f'"x", W/{first.headers["etag"]}', 304),
        ("If-None-Match", '"x"', 200),
        ("If-Modified-Since", first.headers["last-modified"], 304),
        ("If-Modified-Since", "Mon, 01 Jan 2024 00:00:00 GMT", 200),
        ("If-Modified-Since", "yesterday", 200),
    ):
        answer = patient.get(url, headers={name: value})
        assert answer.status_code == status, (name, value)
        assert answer.content == (b"" if status == 304 else DATA)


def test_other_methods_are_refused(url: str):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = patient.request(method, url)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_a_page_of_another_origin_may_ask_for_it(url: str):
    answer = patient.options(
        url, headers={"Origin": "https://app.test", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range"}
    )
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"


# Links that are not good


def test_a_link_is_good_for_an_hour(site, artifact: Artifact, monkeypatch: pytest.MonkeyPatch):
    made_at = timezone.now() - timedelta(seconds=3700)
    monkeypatch.setattr("django.core.signing.time.time", made_at.timestamp)
    old = url_of(site, artifact)
    monkeypatch.undo()
    assert patient.get(old).status_code == 404
    assert patient.get(url_of(site, artifact)).status_code == 200


def test_a_forged_link_is_nobodys(site, artifact: Artifact):
    good = serve.link(artifact).rpartition("/")[2]
    other = stored()
    forged = [
        good[:-1],
        good + "A",
        good.replace(artifact.pk, other.pk),
        artifact.pk,
        TimestampSigner(key="another secret", sep=".", salt="tasks_app.uploads.serve").sign(artifact.pk),
        TimestampSigner(sep=".").sign(artifact.pk),
        "x" * 5000,
        "%00",
    ]
    for token in forged:
        answer = patient.get(f"{site.url}/files/{token}")
        assert answer.status_code in (400, 404), token
        assert DATA not in answer.content


def test_a_dead_link_says_so_to_people_and_programs(site):
    page = patient.get(f"{site.url}/files/x", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "good for an hour" in page.text
    words = patient.get(f"{site.url}/files/x")
    assert (words.status_code, words.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert "GET /v1/uploads" in words.text


def test_a_file_that_is_removed_or_whose_time_is_up_is_not_served(site, artifact: Artifact, url: str):
    expired = stored()
    Artifact.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
    storing.remove(artifact)
    for gone in (url, url_of(site, expired)):
        assert patient.get(gone).status_code == 404


# Storages and callers that fail


def test_a_storage_that_has_lost_the_file_is_a_fault_that_may_pass(site, artifact: Artifact, url: str):
    default_storage.delete(artifact.storage_name)
    answer = patient.get(url)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert artifact.storage_name not in answer.text


def test_a_file_that_has_become_shorter_is_cut_off_not_filled(site, artifact: Artifact, url: str):
    default_storage.delete(artifact.storage_name)
    default_storage.save(artifact.storage_name, ContentFile(DATA[:100]))
    with pytest.raises(httpx.RemoteProtocolError):
        patient.get(url)
    assert patient.get(f"{site.url}/livez").status_code == 200


def test_callers_who_do_not_read_hold_no_connection_and_no_thread(site):
    """More of them than there are threads or connections to the database."""
    artifact = stored(files.wav(600, rate=16000))
    path = "/files/" + url_of(site, artifact).rpartition("/")[2]
    waiting = [connect(site.web.port) for _ in range(30)]
    try:
        for connection in waiting:
            connection.sendall(head("GET", path))
            assert connection.recv(12) == b"HTTP/1.1 200"
        assert httpx.get(site.url + path, headers={"Range": "bytes=0-99"}, timeout=20).status_code == 206
        assert httpx.get(f"{site.url}/readyz", timeout=20).status_code == 200
    finally:
        for connection in waiting:
            connection.close()

    def open_files() -> int:
        links = [link.readlink() for link in Path(f"/proc/{site.web.pid}/fd").iterdir() if link.is_symlink()]
        return sum(artifact.storage_name in str(target) for target in links)

    assert eventually(lambda: open_files() == 0)
