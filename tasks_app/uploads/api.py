"""POST /v1/uploads, on the event loop since a body may come for minutes, and GET and DELETE /v1/uploads/{artifact_id}."""

from __future__ import annotations

import asyncio

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from contract import idempotency_key, limits
from contract.async_view import AsyncAPIView
from contract.errors import ApiError
from contract.exceptions import as_api_error, log
from contract.operation import documented
from tasks_app.models import Artifact
from tasks_app.uploads import document, fields, keeping, quota, receiving, storing
from tasks_app.uploads.answers import as_json
from tasks_app.uploads.threads import in_long_thread, in_thread
from wallets.answered_once import Answer


class Uploads(AsyncAPIView):
    streams_body = True
    body_seconds = limits.UPLOAD_SECONDS

    @documented(document.CREATE_UPLOAD)
    async def post(self, request: HttpRequest) -> HttpResponseBase:
        """Upload a file.

        An image, audio or video of up to 100 MiB, told by its content: its name and Content-Type have no say. Whether there is room for it
        is looked at before the body is read, so ask with `Expect: 100-continue` to be refused without having sent it. An upload that
        breaks off leaves nothing behind.

        With an `Idempotency-Key` a retry gets the same answer; the link in it may be too old by then: look the upload up for a new one.
        """
        caller = request.auth  # type: ignore[attr-defined]  # set by the view
        key = idempotency_key.given(request)
        boundary = receiving.boundary_of(request.headers.get("Content-Type", ""))
        await quota.take_one(caller.account_id)
        with quota.coming(caller.account_id):
            await in_thread(keeping.admit, caller, key=key, size_bytes=receiving.least_size(request))
            form = await receiving.receive(request.body_stream, boundary=boundary, known=fields.NAMES)  # type: ignore[attr-defined]  # the lean handler's
            try:
                await self._identify(request, fresh_seconds=0)  # the key may have been revoked meanwhile
            except BaseException:
                form.file.close()
                raise
            # What is wholly there is kept, also when its sender leaves in this very moment: he may have a key to ask again with
            keep = asyncio.ensure_future(in_long_thread(keeping.keep, form, request.auth, key=key))  # type: ignore[attr-defined]
            try:
                return (await asyncio.shield(keep)).response
            except asyncio.CancelledError:
                keep.add_done_callback(_log_crash)
                raise


class OneUpload(APIView):
    @documented(document.GET_UPLOAD)
    def get(self, request: Request, artifact_id: str) -> Response:
        """Look up an upload.

        With a new link to its file. An upload that was deleted or whose time is up is not found.
        """
        return Response(as_json(_found(request, artifact_id)))

    @documented(document.DELETE_UPLOAD)
    def delete(self, request: Request, artifact_id: str) -> Response:
        """Delete an upload.

        For good. A task that goes by it fails with `invalid_request`, refunded, unless it has reached its provider: until such a task has
        ended, the provider can still read the file, and links to it work. Else they work no more.
        """
        if not storing.remove(_found(request, artifact_id)):
            raise _not_found()
        return Response(status=204)


def _found(request: Request, artifact_id: str) -> Artifact:
    artifact = Artifact.objects.of_account(request.auth.account_id).uploads().stored().filter(pk=artifact_id).first()
    if artifact is None:
        raise _not_found()
    return artifact


def _not_found() -> ApiError:
    return ApiError("not_found", "There is no such upload.")


def _log_crash(keep: asyncio.Future[Answer]) -> None:
    if not keep.cancelled() and (error := keep.exception()) is not None:
        log(error, as_api_error(error))
