"""A stored file is a row and its bytes: both, or neither."""

import hashlib
import io
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from tasks_app.models import Artifact, Leftover
from tasks_app.uploads import serve, storing
from tasks_app.uploads.filename import shown
from tasks_app.uploads.sniff import NotMediaError
from tests.factories import WalletFactory
from tests.tasks_app import media_files as files

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def account_id() -> int:
    return WalletFactory().account_id


def store(account_id: int, data: bytes = files.wav(), **fields) -> Artifact:
    return storing.store(io.BytesIO(data), account_id=account_id, kind="upload", **fields)


def stored_names() -> set[str]:
    """Every file in the storage."""
    folders = default_storage.listdir("artifacts")[0] if default_storage.exists("artifacts") else []
    return {f"artifacts/{folder}/{name}" for folder in folders for name in default_storage.listdir(f"artifacts/{folder}")[1]}


def test_a_file_is_kept_with_all_that_its_bytes_say(account_id: int):
    data = files.wav(2)
    artifact = store(account_id, data, purpose="reference_audio", filename="C:\\music\\a song.wav", metadata={"take": "2"})
    artifact.refresh_from_db()
    assert artifact.pk.startswith("art_")
    assert (artifact.media_type, artifact.mime_type, artifact.duration_seconds) == ("audio", "audio/wav", 2)
    assert (artifact.size_bytes, artifact.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert (artifact.filename, artifact.metadata, artifact.purpose) == ("a song.wav", {"take": "2"}, "reference_audio")
    assert artifact.expires_at - artifact.created_at == timedelta(days=30)
    assert "song" not in artifact.storage_name
    with default_storage.open(artifact.storage_name) as file:
        assert file.read() == data
    assert not Leftover.objects.filter(storage_name=artifact.storage_name).exists()


def test_what_is_no_media_leaves_nothing(account_id: int):
    before = stored_names()
    with pytest.raises(NotMediaError):
        store(account_id, files.SCRIPT)
    assert stored_names() == before
    assert not Artifact.objects.of_account(account_id).exists()


def test_the_bytes_go_when_the_row_fails(account_id: int):
    before = stored_names()
    with pytest.raises(ValueError, match="refused"), storing.placed(io.BytesIO(files.wav())) as name, transaction.atomic():
        assert default_storage.exists(name)
        raise ValueError("refused")
    assert stored_names() == before
    assert not Leftover.objects.filter(storage_name=name).exists()


def test_the_bytes_stay_when_the_row_is_there_though_its_commit_seemed_to_fail(account_id: int):
    content = storing.examine(io.BytesIO(files.wav()))
    with pytest.raises(OperationalError), storing.placed(io.BytesIO(files.wav())) as name:
        with transaction.atomic():
            artifact = storing.record(content, name, account_id=account_id, kind="upload", metadata={})
        raise OperationalError("the connection broke")
    assert default_storage.exists(artifact.storage_name)


def test_a_row_never_comes_after_its_bytes_were_condemned(account_id: int):
    content = storing.examine(io.BytesIO(files.wav()))
    with pytest.raises(RuntimeError), storing.placed(io.BytesIO(files.wav())) as name:
        Leftover.objects.filter(storage_name=name).update(condemned=True)
        with transaction.atomic():
            storing.record(content, name, account_id=account_id, kind="upload", metadata={})
    assert not Artifact.objects.of_account(account_id).exists()
    Leftover.objects.filter(storage_name=name).delete()
    default_storage.delete(name)


def test_a_removed_file_is_gone_once_and_its_row_stays(account_id: int):
    artifact = store(account_id)
    assert storing.remove(artifact)
    assert not default_storage.exists(artifact.storage_name)
    artifact.refresh_from_db()
    assert artifact.removed_at is not None
    assert not artifact.is_stored
    assert not storing.remove(artifact)
    assert not Leftover.objects.filter(storage_name=artifact.storage_name).exists()


def test_a_removal_that_is_rolled_back_removes_nothing(account_id: int):
    artifact = store(account_id)
    with pytest.raises(ValueError, match="no"), transaction.atomic():
        storing.remove(artifact)
        raise ValueError("no")
    assert default_storage.exists(artifact.storage_name)
    assert Artifact.objects.stored().filter(pk=artifact.pk).exists()


def test_a_removal_that_the_storage_refuses_is_remembered(account_id: int):
    artifact = store(account_id)
    path = default_storage.path(artifact.storage_name)
    default_storage.delete(artifact.storage_name)
    default_storage.save(f"{artifact.storage_name}/in-the-way", ContentFile(b"x"))  # a folder with a file in it can't be deleted so
    assert storing.remove(artifact)
    leftover = Leftover.objects.get(storage_name=artifact.storage_name)
    assert leftover.condemned
    assert leftover.due_at > timezone.now()
    default_storage.delete(f"{artifact.storage_name}/in-the-way")
    storing.erase(artifact.storage_name)
    assert not default_storage.exists(path)
    assert not Leftover.objects.filter(storage_name=artifact.storage_name).exists()


def test_no_connection_is_in_a_transaction_while_bytes_are_placed(account_id: int):
    with storing.placed(io.BytesIO(files.wav())) as name:
        assert not connection.in_atomic_block
        content = storing.examine(io.BytesIO(files.wav()))
        with transaction.atomic():
            storing.record(content, name, account_id=account_id, kind="upload", metadata={})


def test_a_link_is_good_for_its_file_until_it_is_altered(account_id: int, settings):
    artifact = store(account_id)
    link = serve.link(artifact)
    assert link.startswith(f"{settings.SITE_URL}/files/")
    token = link.rpartition("/")[2]
    assert serve.artifact_id_of(token) == artifact.pk
    for forged in (token[:-1], token + "A", token.replace("art_", "art_0"), token.swapcase(), artifact.pk, "", "a.b.c"):
        assert serve.artifact_id_of(forged) is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("song.mp3", "song.mp3"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\me\\take 2.wav", "take 2.wav"),
        ("../../..", ""),
        ("a\r\nSet-Cookie: x=1.mp3", "aSet-Cookie x=1.mp3"),
        ('say "hi".mp3', "say hi .mp3"),
        ("\u202e3pm.exe", "3pm.exe"),
        ("né.mp3", "né.mp3"),
        ("歌.mp3", "歌.mp3"),
        ("\ud800.mp3", "mp3"),
        ("x" * 300 + ".mp3", "x" * 251 + ".mp3"),
        ("x" * 300, "x" * 255),
    ],
)
def test_a_name_is_made_fit_to_be_shown(given: str, kept: str):
    assert shown(given) == kept
