"""POST /v1/uploads over real HTTP: what is kept, what is refused, and that nothing is left of the rest."""

from __future__ import annotations

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection, transaction

from contract import limits
from contract.ids import new_id
from keys import issuing
from tasks_app.models import Artifact, Leftover
from tests import patient
from tests.contract.wire import ask, connect, error_of, eventually, head, read_answer
from tests.customer import Customer
from tests.tasks_app import media_files as files
from wallets import ledger

MP3 = files.mp3(2)
BOUNDARY = "a-boundary"


def send(
    owner: Customer, data: bytes = MP3, *, name: str = "song.mp3", headers: dict[str, str] | None = None, **fields: str
) -> httpx.Response:
    return owner.http.post("/uploads", files={"file": (name, data, "text/html")}, data=fields, headers=headers)


def uploads_of(owner: Customer) -> list[Artifact]:
    return list(Artifact.objects.of_account(owner.account))


def bytes_of(owner: Customer) -> list[str]:
    return [artifact.storage_name for artifact in uploads_of(owner)]


def nothing_of(owner: Customer) -> bool:
    return not uploads_of(owner)


def files_in_storage() -> int:
    folders = default_storage.listdir("artifacts")[0] if default_storage.exists("artifacts") else []
    return sum(len(default_storage.listdir(f"artifacts/{folder}")[1]) for folder in folders)


def part(name: str, data: bytes, *, filename: str | None = None, headers: str = "") -> bytes:
    named = "" if filename is None else f'; filename="{filename}"'
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n{headers}\r\n'.encode() + data + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def raw(owner: Customer, body: bytes, *, content_type: str = f"multipart/form-data; boundary={BOUNDARY}") -> httpx.Response:
    return owner.http.post("/uploads", content=body, headers={"Content-Type": content_type})


# What is kept


def test_a_file_is_kept_and_fetched_again(customer):
    owner = customer()
    answer = send(owner, name="../a song.mp3", purpose="reference_audio", media_type="audio", metadata='{"take": "2"}')
    assert answer.status_code == 200
    body = answer.json()
    assert body["object"] == "artifact"
    assert (body["media_type"], body["mime_type"], body["size_bytes"]) == ("audio", "audio/mpeg", len(MP3))
    assert body["sha256"] == hashlib.sha256(MP3).hexdigest()
    assert body["duration_seconds"] == pytest.approx(2, abs=0.15)
    assert (body["purpose"], body["filename"], body["metadata"]) == ("reference_audio", "a song.mp3", {"take": "2"})
    assert patient.get(body["url"]).content == MP3
    again = owner.http.get(f"/uploads/{body['artifact_id']}").json()
    assert {**again, "url": ""} == {**body, "url": ""}
    assert patient.get(again["url"]).content == MP3


def test_an_image_has_no_duration_and_a_plain_purpose(customer):
    body = send(customer(), files.png(), name="").json()
    assert (body["media_type"], body["duration_seconds"], body["purpose"], body["filename"], body["metadata"]) == (
        "image",
        None,
        "media_input",
        "",
        {},
    )


def test_fields_may_come_in_any_order_and_in_pieces_of_any_size(site, customer):
    owner = customer()
    body = part("metadata", b'{"a": "b"}') + part("file", MP3[:2000], filename="x.mp3") + part("purpose", b"reference_audio") + END
    top = head(
        "POST",
        "/v1/uploads",
        f"Authorization: Bearer {owner.token}",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {len(body)}",
    )
    with connect(site.web.port) as wire:
        wire.sendall(top)
        for byte in body:
            wire.sendall(bytes([byte]))
        answer = read_answer(wire)
    assert answer.status == 200
    assert (answer.json["purpose"], answer.json["metadata"], answer.json["size_bytes"]) == ("reference_audio", {"a": "b"}, 2000)


def test_a_body_of_unknown_length_is_taken(customer):
    owner = customer()
    answer = owner.http.post(
        "/uploads", content=iter([part("file", MP3), END]), headers={"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'}
    )
    assert answer.status_code == 200


def test_exactly_the_largest_file_is_kept_and_a_byte_more_is_not(customer):
    owner = customer()
    header = files.wav(0)[:40]
    largest = header + (limits.UPLOAD - 44).to_bytes(4, "little") + bytes(limits.UPLOAD - 44)
    answer = send(owner, largest, name="long.wav")
    assert answer.status_code == 200, answer.text
    assert answer.json()["size_bytes"] == limits.UPLOAD
    assert owner.http.delete(f"/uploads/{answer.json()['artifact_id']}").status_code == 204
    refused = send(owner, largest + b"\0", name="long.wav")
    assert (refused.status_code, error_of(refused)["code"]) == (413, "payload_too_large")
    assert [artifact.removed_at is None for artifact in uploads_of(owner)] == [False]


# What is refused


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (files.SCRIPT, "song.mp3"),
        (files.id3(b"\0" * 20) + files.SCRIPT, "song.mp3"),
        (files.id3() + files.SCRIPT + MP3, "song.mp3"),
        (b"%PDF-1.7", "picture.png"),
        (b"x", "one.mp3"),
    ],
    ids=["html", "id3 and script", "id3, script and music", "pdf", "one byte"],
)
def test_what_is_no_media_by_its_bytes_is_refused(customer, data: bytes, name: str):
    owner = customer()
    before = files_in_storage()
    answer = send(owner, data, name=name)
    assert (answer.status_code, error_of(answer)["code"], error_of(answer)["param"]) == (415, "unsupported_media_type", "/file")
    assert nothing_of(owner)
    assert files_in_storage() == before


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"purpose": "fun"}, "/purpose"),
        ({"media_type": "music"}, "/media_type"),
        ({"media_type": "image"}, "/media_type"),
        ({"metadata": "no json"}, "/metadata"),
        ({"metadata": "[]"}, "/metadata"),
        ({"metadata": '{"a": 1}'}, "/metadata/a"),
        ({"metadata": '{"a": "b", "a": "c"}'}, "/metadata"),
        ({"metadata": '{"a": "\\u0000"}'}, "/metadata"),
        ({"metadata": json.dumps({"k" * 65: "v"})}, "/metadata/" + "k" * 65),
        ({"metadata": json.dumps({"k": "v" * 513})}, "/metadata/k"),
        ({"metadata": json.dumps({str(n): "v" for n in range(17)})}, "/metadata"),
        ({"metadata": " " * 70_000}, "/metadata"),
        ({"filename": "x"}, "/filename"),
        ({"": "x"}, "/"),
    ],
)
def test_a_wrong_field_is_named(customer, fields: dict[str, str], param: str):
    owner = customer()
    answer = send(owner, **fields)
    assert (answer.status_code, error_of(answer)["code"], error_of(answer)["param"]) == (400, "invalid_request", param)
    assert nothing_of(owner)


def test_a_reference_must_be_audio(customer):
    answer = send(customer(), files.png(), purpose="reference_audio")
    assert (answer.status_code, error_of(answer)["param"]) == (400, "/purpose")


@pytest.mark.parametrize(
    ("body", "param"),
    {
        "no file": (part("purpose", b"media_input") + END, "/file"),
        "an empty file": (part("file", b"", filename="x.mp3") + END, "/file"),
        "two files": (part("file", MP3, filename="a.mp3") + part("file", MP3, filename="b.mp3") + END, "/file"),
        "two purposes": (part("purpose", b"media_input") + part("purpose", b"media_input") + part("file", MP3) + END, "/purpose"),
        "an unknown file": (part("other", MP3, filename="a.mp3") + part("file", MP3) + END, "/other"),
        "no UTF-8": (part("purpose", b"\xff\xfe") + part("file", MP3) + END, "/purpose"),
        "too many parts": (b"".join(part("x", b"") for _ in range(30)) + END, "/x"),
        "nothing": (b"", None),
        "an end alone": (END, "/file"),
        "no end": (part("file", MP3), None),
        "garbage": (b"\0\xff" * 500, None),
        "much garbage": (b"\0\xff" * 200_000, None),
        "another boundary": ((part("file", MP3) + END).replace(b"a-boundary", b"another"), None),
        "a part without a name": (b"--a-boundary\r\n\r\nx\r\n" + END, None),
        "a part of another kind": (b"--a-boundary\r\nContent-Disposition: attachment; name=file\r\n\r\nx\r\n" + END, None),
        "a huge header": (part("file", MP3, headers=f"X-Long: {'x' * 100_000}\r\n") + END, None),
        "a header without an end": (b"--a-boundary\r\n" + b"x" * 300_000, None),
        "many headers": (part("file", MP3, headers="X-A: b\r\n" * 50) + END, None),
        "a header that is none": (part("file", MP3, headers="words\r\n") + END, None),
        "a length that is wrong": (part("file", MP3, headers="Content-Length: 3\r\n") + END, None),
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_body_that_is_wrong_leaves_nothing(customer, body: Any, param: Any):
    owner = customer()
    data, param = param
    answer = raw(owner, data)
    assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_request")
    assert error_of(answer).get("param") == param
    assert nothing_of(owner)
    assert send(owner).status_code == 200


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/mixed; boundary=a-boundary", 415),
        ("audio/mpeg", 415),
        ("multipart/form-data", 400),
        ('multipart/form-data; boundary=""', 400),
        (f"multipart/form-data; boundary={'x' * 71}", 400),
        (f"multipart/form-data; boundary={'x' * 5000}", 400),
        ("multipart/form-data; boundary=a\tb", 400),
        ("multipart/form-data; charset=utf-8", 400),
    ],
)
def test_a_body_that_is_no_form_is_refused(customer, content_type: str, status: int):
    assert raw(customer(), part("file", MP3) + END, content_type=content_type).status_code == status


def headed(disposition: bytes, data: bytes = MP3, *, more: bytes = b"") -> bytes:
    return f"--{BOUNDARY}\r\n".encode() + b"Content-Disposition: " + disposition + b"\r\n" + more + b"\r\n" + data + b"\r\n"


def with_metadata(text: bytes) -> bytes:
    return part("metadata", text) + part("file", MP3) + END


@pytest.mark.parametrize(
    ("body", "param"),
    {
        "a NUL in metadata": (with_metadata(b'{"a": "\0"}'), "/metadata"),
        "a NUL in a name of metadata": (with_metadata(b'{"\\u0000": "b"}'), "/metadata"),
        "metadata of NULs": (with_metadata(b"\0" * 100), "/metadata"),
        "a lone surrogate": (with_metadata(b'{"a": "\\ud800"}'), "/metadata"),
        "a lone surrogate as a name": (with_metadata(b'{"\\udfff": "b"}'), "/metadata"),
        "a lone surrogate in bytes": (with_metadata(b'{"a": "\xed\xa0\x80"}'), "/metadata"),
        "depth 1000": (with_metadata(b'{"a": ' * 1000 + b"1" + b"}" * 1000), "/metadata"),
        "lists of depth 1000": (with_metadata(b'{"a": ' + b"[" * 1000 + b"]" * 1000 + b"}"), "/metadata"),
        "depth without an end": (with_metadata(b"[" * 60_000), "/metadata"),
        "a byte order mark": (with_metadata(b'\xef\xbb\xbf{"a": "b"}'), "/metadata"),
        "a number without an end": (with_metadata(b'{"a": ' + b"9" * 60_000 + b"}"), "/metadata"),
        "NaN": (with_metadata(b'{"a": NaN}'), "/metadata"),
        "two metadata": (part("metadata", b"{}") + with_metadata(b"{}"), "/metadata"),
        "two media types": (part("media_type", b"audio") * 2 + part("file", MP3) + END, "/media_type"),
        "bare line feeds": ((part("purpose", b"media_input") + part("file", MP3) + END).replace(b"\r\n", b"\n"), None),
        "bare line feeds in headers": (part("purpose", b"media_input").replace(b"\r\n", b"\n") + part("file", MP3) + END, None),
        "bare carriage returns": ((part("purpose", b"media_input") + END).replace(b"\r\n", b"\r"), None),
        "no name": (headed(b"form-data") + END, "/"),
        "no name but a filename": (headed(b'form-data; filename="a.mp3"') + END, "/"),
        "an empty name": (headed(b'form-data; name=""') + END, "/"),
        "a quote in a name": (headed(b'form-data; name="fi\\"le"') + END, '/fi"le'),
        "an encoded quote in a name": (headed(b'form-data; name="fi%22le"') + END, '/fi"le'),
        "an encoded line end in a name": (headed(b'form-data; name="file%0D%0A"') + END, "/file\r\n"),
        "a line end in a name": (headed(b'form-data; name="fi\r\nle"') + END, None),
        "a NUL in a name": (headed(b'form-data; name="file\0"') + END, "/file\0"),
        "a slash in a name": (headed(b'form-data; name="a/b~c"') + END, "/a~1b~0c"),
        "a name in Latin-1": (headed(b'form-data; name="caf\xe9"') + END, "/caf\ufffd"),
        "a long name": (headed(b'form-data; name="' + b"n" * 3000 + b'"') + END, "/" + "n" * 100),
        "a field for the charset": (part("_charset_", b"utf-16") + part("file", MP3) + END, "/_charset_"),
        "text in UTF-16": (
            part("purpose", "media_input".encode("utf-16"), headers="Content-Type: text/plain; charset=utf-16\r\n") + END,
            "/purpose",
        ),
        "no final boundary": (part("file", MP3) + f"--{BOUNDARY}\r\n".encode(), None),
        "half a final boundary": (part("file", MP3) + END[:-3], None),
        "a longer boundary": (part("file", MP3) + f"--{BOUNDARY}x--\r\n".encode(), None),
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_body_made_to_hurt_is_told_what_is_wrong(customer, body: Any, param: Any):
    owner = customer()
    data, param = param
    answer = raw(owner, data)
    assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_request")
    assert error_of(answer).get("param") == param
    assert nothing_of(owner)


@pytest.mark.parametrize(
    ("body", "filename"),
    {
        "Latin-1": (headed(b'form-data; name="file"; filename="caf\xe9.mp3"'), "caf\ufffd.mp3"),
        "UTF-8": (headed('form-data; name="file"; filename="café 夜.mp3"'.encode()), "café 夜.mp3"),
        "half a character": (headed(b'form-data; name="file"; filename="a\xf0\x9f.mp3"'), "a\ufffd.mp3"),
        "a surrogate in bytes": (headed(b'form-data; name="file"; filename="a\xed\xa0\x80.mp3"'), "a\ufffd\ufffd\ufffd.mp3"),
        "a NUL": (headed(b'form-data; name="file"; filename="a\0b.mp3"'), "ab.mp3"),
        "a quote": (headed(b'form-data; name="file"; filename="a\\"b.mp3"'), "a b.mp3"),
        "an encoded line end": (headed(b'form-data; name="file"; filename="a%0D%0Ab.mp3"'), "ab.mp3"),
        "a space that does not break": (headed(b"form-data; name=file; filename=\xc2\xa0"), ""),
        "a path": (headed(b'form-data; name="file"; filename="../../etc/passwd"'), "passwd"),
        "two filenames": (headed(b'form-data; name="file"; filename="a.mp3"; filename="b.mp3"'), "b.mp3"),
        "a charset of its own": (headed(b'form-data; name="file"', more=b"Content-Type: audio/mpeg; charset=utf-7\r\n"), ""),
        "a continued header": (headed(b'form-data; name="file";\r\n filename="caf\xe9.mp3"'), "caf\ufffd.mp3"),
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_odd_filename_is_no_reason_to_refuse_a_file(customer, body: Any, filename: Any):
    owner = customer()
    data, filename = filename
    answer = raw(owner, data + END)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["filename"], answer.json()["size_bytes"]) == (filename, len(MP3))
    (kept,) = uploads_of(owner)
    assert httpx.get(owner.http.get(f"/uploads/{kept.pk}").json()["url"]).content == MP3


@pytest.mark.parametrize(
    ("boundary", "content_type", "after"),
    [
        ("b" * 70, "multipart/form-data; boundary={}", b""),
        ("a b", 'multipart/form-data; boundary="{}"', b""),
        (BOUNDARY, "multipart/form-data; charset=utf-16; boundary={}", b""),
        (BOUNDARY, "Multipart/Form-Data; Boundary={}; charset=nonsense", b""),
        (BOUNDARY, "multipart/form-data; boundary={}", b"words behind the end" * 100),
    ],
    ids=["70 characters", "a space", "a charset", "capitals", "an epilogue"],
)
def test_a_good_form_is_taken_however_it_is_announced(customer, boundary: str, content_type: str, after: bytes):
    body = (part("file", MP3) + END).replace(BOUNDARY.encode(), boundary.encode())
    answer = raw(customer(), body + after, content_type=content_type.format(boundary))
    assert answer.status_code == 200, answer.text


def test_an_upload_that_breaks_off_anywhere_leaves_nothing(site, customer):
    owner = customer()
    before = files_in_storage()
    body = part("purpose", b"media_input") + part("file", MP3, filename="x.mp3") + END
    top = head(
        "POST",
        "/v1/uploads",
        f"Authorization: Bearer {owner.token}",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {len(body)}",
    )
    for sent in (0, 1, 40, 100, 150, 300, 1000, len(body) // 2, len(body) - 40, len(body) - 20, len(body) - 3, len(body) - 1):
        with connect(site.web.port) as wire:
            wire.sendall(top + body[:sent])
    # Each of them counts as one of twenty a minute, and is through once this one is
    assert send(owner).status_code == 200
    assert eventually(lambda: len(uploads_of(owner)) == 1)
    assert files_in_storage() == before + 1
    assert not Leftover.objects.filter(storage_name__in=bytes_of(owner)).exists()


def test_an_upload_whose_length_is_a_lie_leaves_nothing(site, customer):
    owner = customer()
    body = part("file", MP3) + END
    answer = ask(
        site.web.port,
        head(
            "POST",
            "/v1/uploads",
            f"Authorization: Bearer {owner.token}",
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
            f"Content-Length: {len(body) - 10}",
        )
        + body,
    )
    assert (answer.status, error_of(answer)["code"]) == (400, "invalid_request")
    assert nothing_of(owner)


def test_nobody_unknown_or_without_room_is_read(site, customer):
    """Whoever asks before he sends is refused without having sent anything."""
    poor = customer(balance="0")
    for token, code in (("sk-bt-nobody", "invalid_api_key"), (poor.token, "forbidden")):
        with connect(site.web.port) as wire:
            wire.sendall(
                head(
                    "POST",
                    "/v1/uploads",
                    f"Authorization: Bearer {token}",
                    f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
                    "Content-Length: 100000000",
                    "Expect: 100-continue",
                )
            )
            answer = read_answer(wire)
        assert error_of(answer)["code"] == code


# How much


def test_an_upload_needs_a_balance(customer):
    answer = send(customer(balance="0"))
    assert (answer.status_code, error_of(answer)["code"], error_of(answer)["details"]) == (403, "forbidden", {"limit": "balance"})


def limited(owner: Customer, **fields: int) -> None:
    type(owner.account).objects.filter(pk=owner.account.pk).update(**fields)


def test_no_more_uploads_are_kept_than_the_account_may(customer):
    owner = customer()
    limited(owner, stored_uploads=1)
    kept = send(owner).json()
    answer = send(owner)
    assert (answer.status_code, error_of(answer)["details"]) == (403, {"limit": "stored_uploads"})
    owner.http.delete(f"/uploads/{kept['artifact_id']}")
    assert send(owner).status_code == 200


def test_no_more_bytes_are_kept_than_the_account_may(customer):
    owner = customer()
    limited(owner, stored_bytes=2 * len(MP3))
    assert [send(owner).status_code for _ in range(3)] == [200, 200, 403]
    assert error_of(send(owner))["details"] == {"limit": "stored_bytes"}
    assert sum(artifact.size_bytes for artifact in uploads_of(owner)) == 2 * len(MP3)


def test_of_many_uploads_at_once_only_as_many_are_kept_as_there_is_room_for(customer):
    owner = customer()
    limited(owner, stored_uploads=3)
    before = files_in_storage()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: send(owner), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [403] * 5
    assert len(uploads_of(owner)) == 3
    assert files_in_storage() == before + 3


def test_twenty_uploads_a_minute_are_taken(customer):
    owner = customer()
    answers = [raw(owner, END) for _ in range(limits.UPLOADS_PER_MINUTE)]
    assert {answer.status_code for answer in answers} == {400}
    answer = raw(owner, END)
    assert (answer.status_code, error_of(answer)["code"], error_of(answer)["details"]) == (
        429,
        "rate_limited",
        {"limit": "uploads_per_minute"},
    )
    assert int(answer.headers["Retry-After"]) >= 1


def test_only_so_many_uploads_come_at_once(site, customer):
    owner = customer()
    top = head(
        "POST",
        "/v1/uploads",
        f"Authorization: Bearer {owner.token}",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        "Content-Length: 1000000",
        "Expect: 100-continue",
    )
    waiting = [connect(site.web.port) for _ in range(limits.UPLOADS_AT_ONCE)]
    try:
        for wire in waiting:
            wire.sendall(top)
            assert wire.recv(100).startswith(b"HTTP/1.1 100")
        answer = send(owner)
        assert (answer.status_code, error_of(answer)["details"]) == (429, {"limit": "uploads_at_once"})
    finally:
        for wire in waiting:
            wire.close()
    assert eventually(lambda: send(owner).status_code == 200)


# Once for a key


def test_a_retry_with_its_key_gets_the_same_upload(customer):
    owner = customer()
    first, again = (send(owner, headers={"Idempotency-Key": "k1"}, purpose="reference_audio") for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert len(uploads_of(owner)) == 1


def test_a_key_with_another_file_or_field_is_a_conflict(customer):
    owner = customer()
    assert send(owner, headers={"Idempotency-Key": "k1"}).status_code == 200
    for answer in (
        send(owner, files.png(), headers={"Idempotency-Key": "k1"}),
        send(owner, headers={"Idempotency-Key": "k1"}, media_type="audio"),
    ):
        assert (answer.status_code, error_of(answer)["code"]) == (409, "idempotency_conflict")
    assert len(uploads_of(owner)) == 1


def test_a_replay_needs_neither_balance_nor_room(customer):
    owner = customer()
    first = send(owner, headers={"Idempotency-Key": "k1"})
    limited(owner, stored_uploads=0)
    with transaction.atomic():
        ledger.credit(
            owner.wallet, kind="adjustment", amount=-owner.wallet.balance, reference=f"adjustment:{new_id('test')}", reason="a test's"
        )
    assert send(owner, headers={"Idempotency-Key": "k1"}).json() == first.json()
    assert send(owner).status_code == 403


def test_a_refused_upload_leaves_its_key_free(customer):
    owner = customer()
    assert send(owner, files.SCRIPT, headers={"Idempotency-Key": "k1"}).status_code == 415
    assert send(owner, headers={"Idempotency-Key": "k1"}).status_code == 200


def test_of_racing_uploads_with_one_key_one_is_kept(customer):
    owner = customer()
    before = files_in_storage()
    start = threading.Barrier(6)

    def one(_: int) -> httpx.Response:
        start.wait()
        return send(owner, headers={"Idempotency-Key": "k1"})

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(one, range(6)))
    good = [answer for answer in answers if answer.status_code == 200]
    assert {error_of(answer)["code"] for answer in answers if answer.status_code != 200} <= {"idempotency_in_progress"}
    assert len({answer.json()["artifact_id"] for answer in good}) == 1
    assert len(uploads_of(owner)) == 1
    assert files_in_storage() == before + 1


# Look-up and delete


def test_a_deleted_upload_is_gone_with_its_links(customer):
    owner = customer()
    body = send(owner).json()
    path = f"/uploads/{body['artifact_id']}"
    deleted = owner.http.delete(path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert not default_storage.exists(uploads_of(owner)[0].storage_name)
    assert patient.get(body["url"]).status_code == 404
    for answer in (owner.http.get(path), owner.http.delete(path)):
        assert (answer.status_code, error_of(answer)["code"]) == (404, "not_found")


def test_another_accounts_upload_is_as_unknown_as_none(customer):
    owner, stranger = customer(), customer()
    path = f"/uploads/{send(owner).json()['artifact_id']}"
    for answer in (stranger.http.get(path), stranger.http.delete(path), owner.http.get("/uploads/art_none")):
        assert (answer.status_code, error_of(answer)["code"]) == (404, "not_found")
    assert owner.http.get(path).status_code == 200


def test_a_key_revoked_while_its_upload_comes_keeps_nothing(site, customer):
    owner = customer()
    body = part("file", MP3) + END
    top = head(
        "POST",
        "/v1/uploads",
        f"Authorization: Bearer {owner.token}",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {len(body)}",
        "Expect: 100-continue",
    )
    with connect(site.web.port) as wire:
        wire.sendall(top)
        assert wire.recv(100).startswith(b"HTTP/1.1 100")
        issuing.revoke(owner.key, actor=owner.account.user)
        assert eventually(lambda: owner.http.get("/wallet").status_code == 401)
        wire.sendall(body)
        answer = read_answer(wire)
    assert error_of(answer)["code"] == "invalid_api_key"
    assert nothing_of(owner)


def test_a_storage_that_is_away_is_a_fault_that_may_pass(customer):
    """A file is where the folder should be: first where uploads come in, then where they are kept."""
    owner = customer()
    assert send(owner).status_code == 200
    for folder in (settings.INCOMING, Path(default_storage.path("artifacts"))):
        away = folder.rename(folder.with_suffix(".away"))
        folder.write_bytes(b"")
        try:
            answer = send(owner)
        finally:
            folder.unlink()
            away.rename(folder)
        assert (answer.status_code, error_of(answer)["code"], error_of(answer)["retryable"]) == (503, "service_unavailable", True)
    assert len(uploads_of(owner)) == 1
    assert send(owner).status_code == 200


def test_a_row_that_fails_leaves_no_bytes(site, customer):
    owner = customer()
    before = files_in_storage()
    leftovers = set(Leftover.objects.values_list("storage_name", flat=True))
    with connection.cursor() as cursor:
        cursor.execute("alter table tasks_app_artifact add constraint nothing_more check (account_id <> %s) not valid", [owner.account.pk])
    try:
        answer = send(owner)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("alter table tasks_app_artifact drop constraint nothing_more")
    assert (answer.status_code, error_of(answer)["code"]) == (500, "internal_error")
    assert nothing_of(owner)
    assert files_in_storage() == before
    assert set(Leftover.objects.values_list("storage_name", flat=True)) == leftovers
