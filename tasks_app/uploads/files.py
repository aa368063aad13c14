"""GET /files/<token>: the bytes of a stored file, for whoever has a link to it (serve.py). Outside of /v1, on the event loop.

The type is the one read off the bytes and is not to be guessed at; nothing in the file may run, be framed with the site's rights or see
its cookies. Any page may play it or read it by the link, which is all it takes. A caller gets one part at a time, as fast as he reads,
and holds nothing meanwhile but an open file: no thread, and no connection to the database.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import PurePath
from typing import Any, Final

from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils.http import content_disposition_header, http_date
from django.views import View

from contract import limits
from contract.errors import ApiError
from contract.exceptions import as_api_error, log
from tasks_app.models import Artifact
from tasks_app.uploads import ranges, serve
from tasks_app.uploads.sniff import SUFFIXES
from tasks_app.uploads.threads import in_thread

logger = logging.getLogger(__name__)

_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_PAGE: Final = {"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'", "Cache-Control": "no-store"}
_RETRY_SECONDS: Final = 5


class StoredFile(View):
    """GET and HEAD. `?download` has a browser save the file instead of showing it."""

    http_method_names = ["get", "head", "options"]

    async def get(self, request: HttpRequest, token: str) -> HttpResponseBase:
        artifact_id = serve.artifact_id_of(token)
        try:
            artifact = None if artifact_id is None else await in_thread(_stored, artifact_id)
            return _gone(request) if artifact is None else await _answer(request, artifact)
        except Exception as error:
            return _failed(error)

    async def head(self, request: HttpRequest, token: str) -> HttpResponseBase:
        return await self.get(request, token)

    async def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # type: ignore[override]  # async, as the rest
        headers = {"Allow": "GET, HEAD, OPTIONS", "Access-Control-Allow-Methods": "GET, HEAD", "Access-Control-Allow-Headers": "*"}
        return HttpResponse(status=204, headers={**_ALWAYS, **headers})


async def _answer(request: HttpRequest, artifact: Artifact) -> HttpResponseBase:
    etag, modified_at = f'"{artifact.sha256}"', artifact.created_at
    headers = {
        **_ALWAYS,
        "Content-Security-Policy": "sandbox",
        "Accept-Ranges": "bytes",
        "Access-Control-Expose-Headers": "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag",
        "Cache-Control": f"private, max-age={serve.LINK_SECONDS}",
        "ETag": etag,
        "Last-Modified": http_date(modified_at.timestamp()),
    }
    if ranges.is_unchanged(request, etag=etag, modified_at=modified_at):
        return HttpResponse(status=304, headers=headers)
    try:
        part = ranges.asked_for(request, size=artifact.size_bytes, etag=etag, modified_at=modified_at)
    except ranges.OutOfRange:
        headers |= {"Content-Range": f"bytes */{artifact.size_bytes}", "Cache-Control": "no-store"}
        return HttpResponse(status=416, headers=headers, content_type="text/plain; charset=utf-8")
    headers["Content-Disposition"] = content_disposition_header("download" in request.GET, _name_of(artifact)) or "inline"
    headers["Content-Length"] = str(part.end - part.start)
    if part.is_range:
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{artifact.size_bytes}"
    status = 206 if part.is_range else 200
    if request.method == "HEAD":
        return HttpResponse(status=status, headers=headers, content_type=artifact.mime_type)
    file = await in_thread(default_storage.open, artifact.storage_name, "rb")
    answer = StreamingHttpResponse(_Pieces(file, part), status=status, headers=headers, content_type=artifact.mime_type)
    answer.unread_seconds = limits.UNREAD_SECONDS  # type: ignore[attr-defined]  # the lean handler's
    return answer


class _Pieces:
    """A part of an open file, piece by piece. Closed at its end, and by `aclose`."""

    def __init__(self, file: Any, part: ranges.Part) -> None:
        self._file = file
        self._at, self._end = part.start, part.end

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._at >= self._end:
            await self.aclose()
            raise StopAsyncIteration
        piece = await in_thread(self._read)
        if not piece:
            raise OSError("the stored file is shorter than it was")
        self._at += len(piece)
        return piece

    def _read(self) -> bytes:
        self._file.seek(self._at)
        data: bytes = self._file.read(min(limits.ANSWER_PIECE, self._end - self._at))
        return data

    async def aclose(self) -> None:
        self._file.close()


def _stored(artifact_id: str) -> Artifact | None:
    """Also one that was removed and that a provider may be about to fetch for a task."""
    found = Artifact.objects.filter(pk=artifact_id)
    return found.stored().first() or found.read_by_tasks().first()


def _name_of(artifact: Artifact) -> str:
    """The file's own name, but ending as its type does: a program that calls itself .exe is saved as what it is."""
    suffix = SUFFIXES[artifact.mime_type]
    name = artifact.filename or artifact.pk
    return name if PurePath(name).suffix.lower() == f".{suffix}" else f"{name}.{suffix}"


def _gone(request: HttpRequest) -> HttpResponse:
    """The link is forged or too old, or the file is gone: which of them is nobody's business."""
    if "text/html" in request.headers.get("Accept", ""):
        return HttpResponse(render_to_string("files/gone.html"), status=404, headers={**_ALWAYS, **_PAGE})
    words = "This link is not good, or not any more. Ask for a new one: GET /v1/uploads/{artifact_id} or GET /v1/tasks/{task_id}."
    return HttpResponse(words, status=404, headers={**_ALWAYS, **_PAGE}, content_type="text/plain; charset=utf-8")


def _failed(error: Exception) -> HttpResponse:
    """The storage or the database is away, or has lost the file."""
    known = as_api_error(error)
    if isinstance(error, OSError):
        logger.error("a stored file can't be read: %s", type(error).__name__)
        known = ApiError("service_unavailable")
    else:
        log(error, known)
    headers = {**_ALWAYS, **_PAGE, "Retry-After": str(_RETRY_SECONDS)}
    words = "The file can't be read at the moment. Try again soon."
    return HttpResponse(words, status=known.status, headers=headers, content_type="text/plain; charset=utf-8")
