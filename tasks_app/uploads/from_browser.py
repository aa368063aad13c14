"""POST /uploads/send: a file from the site's own form, received as the API's uploads are, on the event loop.

None of Django's middleware is around it, which would read the body before anybody knows whose it is. So who sends is told by the session's
cookie, and that he meant to by a token in the form's address: it is his alone, so no other site can know it. What comes of it stands on
the page of uploads, where he is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Final
from urllib.parse import urlencode

import orjson
from django.conf import settings
from django.contrib.auth import get_user
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.views import View

from accounts.models import Account, User
from contract import limits
from contract.errors import ApiError
from contract.exceptions import as_api_error, log
from tasks_app.uploads import keeping, quota, receiving
from tasks_app.uploads.threads import in_long_thread, in_thread

PAGE: Final = "/uploads/"
# How long the page may stay open before a file is sent, and how long one reads why it was not kept
_TOKEN_AGE: Final = timedelta(days=1)
_REFUSAL_AGE: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Owner:
    """Of an account, signed in."""

    account_id: int
    wallet_id: int


class UploadFromBrowser(View):
    http_method_names = ["post"]
    streams_body = True
    body_seconds = limits.UPLOAD_SECONDS

    async def post(self, request: HttpRequest) -> HttpResponseBase:
        try:
            owner = await in_thread(_owner, request)
            if owner is None:
                return _see(resolve_url(settings.LOGIN_URL), next=PAGE)
            artifact_id = await _keep(request, owner)
        except Exception as error:
            known = as_api_error(error)
            log(error, known)
            return _see(PAGE, refused=_refusals().sign(known.message.replace("/file", "The file")))
        return _see(PAGE, sent=artifact_id)


async def _keep(request: HttpRequest, owner: Owner) -> str:
    boundary = receiving.boundary_of(request.headers.get("Content-Type", ""))
    await quota.take_one(owner.account_id)
    with quota.coming(owner.account_id):
        await in_thread(quota.admit, owner.account_id, size_bytes=receiving.least_size(request))
        form = await receiving.receive(request.body_stream, boundary=boundary, known=())  # type: ignore[attr-defined]  # the lean handler's
        try:
            if await in_thread(_owner, request) is None:  # signed out, or suspended, meanwhile
                raise ApiError("forbidden", "You were signed out. Nothing was kept.")
        except BaseException:
            form.file.close()
            raise
        answer = await in_long_thread(keeping.keep, form, owner, key=None)
    artifact_id: str = orjson.loads(answer.body)["artifact_id"]
    return artifact_id


def token(user: User) -> str:
    """What the form's address has to have, good for a day."""
    return _tokens().sign(str(user.pk))


def refusal_in(signed: str) -> str:
    """Why a file was not kept, as the page was told; nothing where it was told nothing, or by somebody else."""
    try:
        return _refusals().unsign(signed, max_age=_REFUSAL_AGE) if signed else ""
    except BadSignature:
        return ""


def _owner(request: HttpRequest) -> Owner | None:
    """Who sends, None for nobody who is signed in. Raises ApiError forbidden."""
    sessions = import_module(settings.SESSION_ENGINE)
    request.session = sessions.SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    user = get_user(request)
    if not isinstance(user, User) or not user.is_active:
        return None
    account = Account.objects.select_related("wallet").filter(user=user).first()
    if account is None or account.status != Account.Status.ACTIVE:
        raise ApiError("forbidden", "This account can't keep files.")
    try:
        is_meant = _tokens().unsign(request.GET.get("token", ""), max_age=_TOKEN_AGE) == str(user.pk)
    except BadSignature:
        is_meant = False
    if not is_meant:
        raise ApiError("forbidden", "This page was open for too long. Nothing was kept; choose the file again.")
    return Owner(account.pk, account.wallet.pk)


def _see(path: str, **query: str) -> HttpResponse:
    return HttpResponse(status=303, headers={"Location": f"{path}?{urlencode(query)}", "Cache-Control": "no-store"})


def _tokens() -> TimestampSigner:
    return TimestampSigner(salt="tasks_app.uploads.from_browser.token")


def _refusals() -> TimestampSigner:
    return TimestampSigner(salt="tasks_app.uploads.from_browser.refusal")
