"""A multipart body as it comes: its file into a nameless one on the disk, its fields into memory."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from django.http import HttpRequest
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from contract import limits
from contract.body_stream import BodyStream
from contract.errors import ApiError
from contract.invalid import invalid_fields
from contract.json_pointer import pointer
from tasks_app.uploads.nameless import nameless
from tasks_app.uploads.threads import in_thread

logger = logging.getLogger(__name__)

FILE: Final = "file"
_MOST_FIELD: Final = 64 * 1024
_MOST_PARTS: Final = 16
# Any bytes are read, and are what they were again in `_as_text`
_ANY: Final = "latin-1"
_MOST_PREAMBLE: Final = 64 * 1024
# So much is written at once: each time costs a change of threads
_BLOCK: Final = 256 * 1024


@dataclass(slots=True)
class Form:
    """What an upload's body said. `file` is the caller's to close."""

    file: BinaryIO
    filename: str = ""
    size_bytes: int = 0
    sha256: str = ""
    fields: dict[str, str] = field(default_factory=dict)


def boundary_of(content_type: str) -> str:
    """What stands between the parts. Raises ApiError unsupported_media_type unless it is a multipart form, invalid_request."""
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data":
        raise ApiError("unsupported_media_type", "An upload is sent as multipart/form-data, the file in the field 'file'.")
    boundary: str = options.get("boundary", "")
    if not 1 <= len(boundary) <= 70 or not boundary.isascii() or not boundary.isprintable():
        raise ApiError("invalid_request", "The Content-Type names no good boundary between the parts.")
    return boundary


def least_size(request: HttpRequest) -> int:
    """What the file has at least by the length of the body, which may not be told."""
    length = request.headers.get("Content-Length", "")
    return max(int(length) - limits.FORM_AROUND_AN_UPLOAD, 1) if length.isdigit() else 1


async def receive(body: BodyStream, *, boundary: str, known: Collection[str]) -> Form:
    """Read `body` to its end. `known` are the fields it may have beside the file.

    Raises ApiError payload_too_large for a file over the limit, service_unavailable where the disk takes no more, else invalid_request;
    what the stream raises; CancelledError.
    """
    try:
        form = Form(await in_thread(nameless, buffering=0))
    except OSError as error:
        raise _disk_away(error) from None
    try:
        await _Reading(form, known).read(body, PushMultipartParser(boundary, max_segment_count=_MOST_PARTS, header_charset=_ANY))
    except MultipartError:
        form.file.close()
        raise ApiError("invalid_request", "The body is no multipart form, or it ends too early.") from None
    except OSError as error:
        form.file.close()
        raise _disk_away(error) from None
    except BaseException:
        form.file.close()
        raise
    return form


class _Reading:
    """The parts of one body, one after another."""

    def __init__(self, form: Form, known: Collection[str]) -> None:
        self._form = form
        self._known = known
        self._digest = hashlib.sha256()
        self._block = bytearray()
        self._name: str | None = None
        self._text = bytearray()
        self._seen: set[str] = set()

    async def read(self, body: BodyStream, parser: PushMultipartParser) -> None:
        received = 0
        while part := await body.read():
            received += len(part)
            for event in parser.parse(part):
                if isinstance(event, MultipartSegment):
                    self._begin(event)
                elif event is None:
                    self._end()
                else:
                    await self._take(event)
            if not self._seen and received > _MOST_PREAMBLE:
                raise MultipartError("no part begins")
        parser.close()
        if self._block:
            await self._write()
        if FILE not in self._seen:
            raise _wrong(FILE, "is required")
        if not self._form.size_bytes:
            raise _wrong(FILE, "is empty")
        self._form.sha256 = self._digest.hexdigest()

    def _begin(self, segment: MultipartSegment) -> None:
        name = _as_text(segment.name)
        if name != FILE and name not in self._known:
            raise _wrong(name[:100], "is no field of an upload")
        if name in self._seen:
            raise _wrong(name, "is given twice")
        self._seen.add(name)
        self._name = name
        if name == FILE:
            self._form.filename = _as_text(segment.filename)

    async def _take(self, data: bytes) -> None:
        if self._name == FILE:
            self._form.size_bytes += len(data)
            if self._form.size_bytes > limits.UPLOAD:
                raise ApiError("payload_too_large", f"The file is over the limit of {limits.UPLOAD // limits.MIB} MiB.", param="/file")
            self._block += data
            if len(self._block) >= _BLOCK:
                await self._write()
            return
        self._text += data
        if len(self._text) > _MOST_FIELD:
            raise _wrong(self._name or "", f"is longer than {_MOST_FIELD // 1024} KiB")

    def _end(self) -> None:
        if self._name and self._name != FILE:
            try:
                self._form.fields[self._name] = self._text.decode()
            except UnicodeDecodeError:
                raise _wrong(self._name, "is not valid UTF-8") from None
        self._text.clear()
        self._name = None

    async def _write(self) -> None:
        block, self._block = self._block, bytearray()
        await in_thread(self._put, block)

    def _put(self, block: bytearray) -> None:
        self._digest.update(block)
        left = memoryview(block)
        while left:
            left = left[self._form.file.write(left) :]


def _as_text(header: str | None) -> str:
    """UTF-8, as the form says; what is none is shown as such, since the name of a file is no reason to refuse it."""
    return (header or "").encode(_ANY).decode(errors="replace")


def _disk_away(error: OSError) -> ApiError:
    logger.error("uploads can't be taken in: %s", type(error).__name__)
    return ApiError("service_unavailable", "Files can't be stored at the moment.")


def _wrong(name: str, message: str) -> ApiError:
    return invalid_fields([{"param": pointer([name]), "message": message}])
