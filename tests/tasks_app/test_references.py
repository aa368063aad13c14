"""The audio that a music task goes by: what is told at creation, and what a worker finds."""

from __future__ import annotations

import base64
import io
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any, ClassVar

import pytest
from aiohttp import web
from asgiref.sync import sync_to_async
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import connection, transaction
from django.utils import timezone

from catalog.music_limits import FAMILIES
from contract.errors import ApiError
from contract.fetching import Network
from tasks_app.models import Artifact, Task
from tasks_app.music.reference import ReferenceFailed, check, placed, prepare
from tasks_app.uploads import storing
from tasks_app.uploads.fetch import fetched
from tests.contract.https_server import Handler, serving
from tests.factories import WalletFactory
from tests.tasks_app import media_files as files
from tests.tasks_app.paid_task import paid_task
from wallets.models import Wallet

pytestmark = pytest.mark.usefixtures("committed")

SUNO, MINIMAX = (FAMILIES[family].reference for family in ("suno", "minimax_music"))
NO_AUDIO = "must be FLAC, MP3 or WAV audio"
GONE = "is not stored any more: it has expired or was deleted"


@pytest.fixture
def account_id() -> int:
    return WalletFactory(balance=100).account_id


def uploaded(account_id: int, data: bytes = files.wav(8), **fields: Any) -> Artifact:
    return storing.store(io.BytesIO(data), account_id=account_id, **{"kind": "upload", **fields})


def by_artifact(artifact_id: str) -> dict[str, Any]:
    return {"type": "artifact", "artifact_id": artifact_id}


def by_url(url: str) -> dict[str, Any]:
    return {"type": "url", "url": url}


def by_data(data: bytes, head: str = "data:audio/wav;base64,") -> dict[str, Any]:
    return {"type": "data_uri", "data": head + base64.b64encode(data).decode()}


def refused(given: dict[str, Any], account_id: int, **options: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        check(given, account_id=account_id, **options)
    return caught.value


def sends(data: bytes, **headers: str) -> Handler:
    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(body=data, headers=headers)

    return handle


def task_for(account_id: int, given: dict[str, Any], *, model: str = "minimax-music-2.6", network: Network | None = None) -> Task:
    """As the API makes one."""
    checked = check(given, account_id=account_id, **({"network": network} if network else {}))
    with placed(checked) as give, transaction.atomic():
        task = made(account_id, checked.input, model=model)
        give(task)
    return Task.objects.get(pk=task.pk)


def made(account_id: int, given: dict[str, Any], *, model: str = "minimax-music-2.6") -> Task:
    return paid_task(
        Wallet.objects.get(account_id=account_id),
        capability="reference_audio_to_music",
        model=model,
        input={"prompt": "A calm piano piece", "instrumental": False, "reference_audio": given},
    )


def failure(task: Task, network: Network | None = None) -> tuple[str, str | None]:
    """What `prepare` says went wrong, and where."""
    with pytest.raises(ReferenceFailed) as caught:
        prepare(task, **({"network": network} if network else {}))
    assert caught.value.failure.code == "invalid_request"
    assert not caught.value.failure.retryable
    return caught.value.failure.message, caught.value.failure.param


# By artifact


@pytest.mark.parametrize("data", [files.wav(8), files.mp3(8), files.flac(8)], ids=["WAV", "MP3", "FLAC"])
@pytest.mark.parametrize("purpose", ["reference_audio", "media_input"])
def test_an_upload_of_the_account_is_taken(account_id: int, data: bytes, purpose: str):
    artifact = uploaded(account_id, data, purpose=purpose)
    checked = check(by_artifact(artifact.pk), account_id=account_id)
    assert checked.input == by_artifact(artifact.pk)
    assert checked.refusal(SUNO) is checked.refusal(MINIMAX) is None
    task = task_for(account_id, by_artifact(artifact.pk))
    assert task.reference == prepare(task) == artifact


def test_what_a_task_made_is_taken(account_id: int):
    clip = uploaded(account_id, kind="output", task=made(account_id, {}))
    assert check(by_artifact(clip.pk), account_id=account_id).artifact == clip


def test_anothers_artifact_is_told_as_one_that_never_was(account_id: int):
    others = uploaded(WalletFactory().account_id)
    fetched_once = uploaded(account_id, kind="reference", task=made(account_id, {}))
    told = [refused(by_artifact(id), account_id) for id in (others.pk, fetched_once.pk, "art_01", "", "x" * 10_000, "../../etc")]
    assert {(error.code, error.param, error.message) for error in told} == {
        ("not_found", "/reference_audio/artifact_id", "/reference_audio/artifact_id names no artifact of this account.")
    }


def test_one_that_is_gone_is_not_taken(account_id: int):
    deleted, expired = uploaded(account_id), uploaded(account_id)
    storing.remove(deleted)
    Artifact.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    for artifact in (deleted, expired):
        error = refused(by_artifact(artifact.pk), account_id)
        assert (error.code, error.param) == ("invalid_request", "/reference_audio/artifact_id")
        assert error.message == f"/reference_audio/artifact_id {GONE}."


@pytest.mark.parametrize(
    "data", [files.png(), files.opus(8), files.mp4(b"soun", seconds=8), files.mp4(b"vide", seconds=8)], ids=["PNG", "Opus", "M4A", "MP4"]
)
def test_what_no_model_can_go_by_is_not_taken(account_id: int, data: bytes):
    error = refused(by_artifact(uploaded(account_id, data).pk), account_id)
    assert (error.code, error.message) == ("invalid_request", f"/reference_audio/artifact_id {NO_AUDIO}.")


@pytest.mark.parametrize(
    ("seconds", "by_suno", "by_minimax"),
    [
        (5.999, None, "must be 6 to 360 seconds long"),
        (6, None, None),
        (360, None, None),
        (360.001, None, "must be 6 to 360 seconds long"),
        (480, None, "must be 6 to 360 seconds long"),
        (480.001, "must be at most 480 seconds long", "must be 6 to 360 seconds long"),
    ],
)
def test_each_model_takes_its_own_lengths(account_id: int, seconds: float, by_suno: str | None, by_minimax: str | None):
    checked = check(by_artifact(uploaded(account_id, files.wav(seconds, rate=1000)).pk), account_id=account_id)
    for limits, words in ((SUNO, by_suno), (MINIMAX, by_minimax)):
        assert checked.refusal(limits) == (words and {"param": "/reference_audio/artifact_id", "message": words})


def test_each_model_takes_its_own_sizes(account_id: int):
    artifact = uploaded(account_id)
    for size, words in ((50 * 1024 * 1024, None), (50 * 1024 * 1024 + 1, "is larger than 50 MiB")):
        Artifact.objects.filter(pk=artifact.pk).update(size_bytes=size)
        checked = check(by_artifact(artifact.pk), account_id=account_id)
        assert checked.refusal(SUNO) is None
        assert checked.refusal(MINIMAX) == (words and {"param": "/reference_audio/artifact_id", "message": words})


def test_one_that_goes_between_creation_and_work_fails_the_task(account_id: int):
    artifact = uploaded(account_id)
    task = task_for(account_id, by_artifact(artifact.pk))
    storing.remove(artifact)
    assert failure(Task.objects.get(pk=task.pk)) == (f"/reference_audio/artifact_id {GONE}.", "/reference_audio/artifact_id")


# By data URI


@pytest.mark.parametrize("head", ["data:audio/wav;base64,", "data:;base64,", "data:text/html;base64,"])
def test_the_bytes_in_a_request_are_kept_with_its_task(account_id: int, head: str):
    data = files.wav(8)
    task = task_for(account_id, by_data(data, head))
    assert task.input["reference_audio"] == {"type": "data_uri"}
    assert task.reference is not None
    assert (task.reference.kind, task.reference.task, task.reference.account_id) == ("reference", task, account_id)
    assert prepare(task) == task.reference
    with default_storage.open(task.reference.storage_name) as file:
        assert file.read() == data


def test_a_task_that_is_not_made_leaves_no_bytes(account_id: int):
    before = stored_names()
    checked = check(by_data(files.wav(8)), account_id=account_id)
    with pytest.raises(ZeroDivisionError), placed(checked) as give, transaction.atomic():
        give(made(account_id, checked.input))
        raise ZeroDivisionError
    assert stored_names() == before
    assert not Artifact.objects.of_account(account_id).exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"type": "data_uri", "data": "data:audio/mpeg;base64"}, "must be a base64 data: URI"),
        ({"type": "data_uri", "data": "data:audio/mpeg,AAAA"}, "must be a base64 data: URI"),
        ({"type": "data_uri", "data": "data:audio/mpeg;base64,AA=A"}, "must hold valid base64"),
        (by_data(b""), NO_AUDIO),
        (by_data(files.SCRIPT, "data:audio/mpeg;base64,"), NO_AUDIO),
        (by_data(files.id3(files.SCRIPT), "data:audio/mpeg;base64,"), NO_AUDIO),
        (by_data(files.png(), "data:audio/mpeg;base64,"), NO_AUDIO),
        (by_data(bytes(7 * 1024 * 1024 + 1)), "is larger than 7 MiB"),
    ],
)
def test_bytes_that_are_no_audio_are_refused_at_once(account_id: int, given: dict[str, Any], words: str):
    error = refused(given, account_id)
    assert (error.code, error.param, error.message) == ("invalid_request", "/reference_audio/data", f"/reference_audio/data {words}.")


def test_bytes_are_held_against_the_limits_of_each_model(account_id: int):
    checked = check(by_data(files.wav(5)), account_id=account_id)
    assert checked.refusal(SUNO) is None
    assert checked.refusal(MINIMAX) == {"param": "/reference_audio/data", "message": "must be 6 to 360 seconds long"}


# By URL


@pytest.mark.parametrize("data", [files.wav(8), files.mp3(8), files.flac(8)], ids=["WAV", "MP3", "FLAC"])
def test_a_url_is_fetched_by_the_worker_and_kept_with_the_task(account_id: int, data: bytes):
    with serving(sends(data, **{"Content-Type": "text/html"})) as (origin, network):
        task = task_for(account_id, by_url(f"{origin}/a.html?signature=1"), network=network)
        assert task.reference is None
        assert task.input["reference_audio"] == by_url(f"{origin}/a.html?signature=1")
        artifact = prepare(task, network=network)
    task.refresh_from_db()
    assert task.reference == artifact
    assert (artifact.kind, artifact.task, artifact.account_id, artifact.filename) == ("reference", task, account_id, "")
    with default_storage.open(artifact.storage_name) as file:
        assert file.read() == data


@pytest.mark.parametrize(
    "url",
    [
        "http://pictures.example/a.mp3",
        "https://",
        "https://u:p@pictures.example/a.mp3",
        "https://127.0.0.1/a.mp3",
        "https://2130706433/a.mp3",
        "https://0x7f.1/a.mp3",
        "https://0177.0.0.1/a.mp3",
        "https://[::1]/a.mp3",
        "https://[::ffff:127.0.0.1]/a.mp3",
        "https://0.0.0.0/a.mp3",
        "https://localhost./a.mp3",
        "https://１２７.0.0.1/a.mp3",
        "https://nobody.invalid/a.mp3",
        "https://pictures.example\\@127.0.0.1/a.mp3",
    ],
)
def test_a_url_that_will_never_do_is_refused_at_once_and_by_the_worker(account_id: int, url: str):
    error = refused(by_url(url), account_id)
    assert (error.code, error.param) == ("invalid_request", "/reference_audio/url")
    assert failure(made(account_id, by_url(url))) == (error.message, "/reference_audio/url")


def test_a_name_that_leads_elsewhere_by_then_is_not_followed(account_id: int):
    asked = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["93.184.215.14"] if len(asked) == 1 else ["127.0.0.1"]

    with socket.create_server(("127.0.0.1", 0)) as inside:
        network = Network(resolve=resolve)
        task = task_for(account_id, by_url(f"https://rebound.example:{inside.getsockname()[1]}/"), network=network)
        assert failure(task, network) == ("/reference_audio/url must stand for a public address.", "/reference_audio/url")
        inside.setblocking(False)
        with pytest.raises(BlockingIOError):
            inside.accept()
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", NO_AUDIO),
        (files.SCRIPT, NO_AUDIO),
        (files.id3(files.SCRIPT), NO_AUDIO),
        (files.png(), NO_AUDIO),
        (files.opus(8), NO_AUDIO),
        (files.wav(5), "must be 6 to 360 seconds long"),
        (files.wav(361, rate=1000), "must be 6 to 360 seconds long"),
    ],
    ids=["nothing", "HTML", "HTML behind an ID3 tag", "a picture", "Opus", "too short", "too long"],
)
def test_what_is_fetched_must_be_audio_that_the_model_takes(account_id: int, data: bytes, words: str):
    before = stored_names()
    task = made(account_id, by_url(""))
    with serving(sends(data, **{"Content-Type": "audio/mpeg"})) as (origin, network):
        task.input["reference_audio"]["url"] = f"{origin}/a.mp3"
        assert failure(task, network) == (f"/reference_audio/url {words}.", "/reference_audio/url")
    assert stored_names() == before
    assert not task.artifacts.exists()


@pytest.mark.parametrize(("model", "most"), [("suno-5.5", 100), ("minimax-music-2.6", 50)])
def test_no_more_is_fetched_than_the_model_takes(account_id: int, model: str, most: int):
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(most * 1024 * 1024 + 1)})
        await response.prepare(request)
        return response

    with serving(handle) as (origin, network):
        task = made(account_id, by_url(f"{origin}/a.wav"), model=model)
        assert failure(task, network)[0] == f"/reference_audio/url is larger than {most} MiB."


@pytest.mark.parametrize("status", [204, 401, 404, 500])
def test_a_server_that_has_none_fails_the_task(account_id: int, status: int):
    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status, text="an internal word" if status > 204 else None)

    with serving(handle) as (origin, network):
        message, _ = failure(made(account_id, by_url(f"{origin}/a.mp3")), network)
    assert message == f"/reference_audio/url could not be fetched: its server answered {status}."


def test_whoever_comes_after_a_worker_that_died_goes_on_with_what_is_stored(account_id: int):
    with serving(sends(files.wav(8))) as (origin, network):
        task = made(account_id, by_url(f"{origin}/a.wav"))
        stored = fetched(task.input["reference_audio"]["url"], task, most_bytes=10**6, accepts=lambda content: None, network=network)
    # The server is gone
    assert prepare(Task.objects.get(pk=task.pk), network=network) == stored
    assert prepare(Task.objects.get(pk=task.pk), network=network) == stored
    assert [*task.artifacts.all()] == [stored]


def test_of_two_workers_at_once_one_copy_stays(account_id: int):
    both = Barrier(2)

    async def handle(request: web.BaseRequest) -> web.Response:
        await sync_to_async(both.wait, thread_sensitive=False)(60)
        return web.Response(body=files.wav(8))

    def work() -> Artifact:
        try:
            return prepare(Task.objects.get(pk=task.pk), network=network)
        finally:
            connection.close()

    with serving(handle) as (origin, network):
        task = made(account_id, by_url(f"{origin}/a.wav"))
        with ThreadPoolExecutor(2) as pool:
            first, second = (pool.submit(work) for _ in range(2))
        assert first.result() == second.result()
    task.refresh_from_db()
    (kept,) = task.artifacts.stored()
    assert task.reference == kept == first.result()
    (gone,) = task.artifacts.exclude(removed_at=None)
    assert not default_storage.exists(gone.storage_name)


def test_a_model_whose_routes_are_gone_fails_the_task(account_id: int):
    with pytest.raises(ReferenceFailed) as caught:
        prepare(made(account_id, by_url("https://a.example/"), model="gone-1"))
    assert caught.value.failure.code == "model_unavailable"


def stored_names() -> set[str]:
    """Every file in the storage."""
    folders = default_storage.listdir("artifacts")[0] if default_storage.exists("artifacts") else []
    return {f"artifacts/{folder}/{name}" for folder in folders for name in default_storage.listdir(f"artifacts/{folder}")[1]}


class Watched(FileSystemStorage):
    """Where files lie, and whether who stored them held a connection to the database meanwhile."""

    held: ClassVar[list[bool]] = []

    def _save(self, name: str, content: Any) -> str:
        self.held.append(connection.connection is not None)
        return super()._save(name, content)


def test_no_connection_to_the_database_is_held_meanwhile(account_id, settings, tmp_path):
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": f"{__name__}.Watched", "OPTIONS": {"location": tmp_path}}}
    held: list[bool] = []
    Watched.held.clear()
    with serving(sends(files.wav(8))) as (origin, network):

        async def resolve(host: str, port: int) -> list[str]:
            held.append(connection.connection is not None)
            return await network.resolve(host, port)

        prepare(made(account_id, by_url(f"{origin}/a.wav")), network=replace(network, resolve=resolve))
    assert (held, Watched.held) == ([False], [False])
