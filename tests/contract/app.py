"""An application that does what ours must never do, around which the edge is tested: it crashes, answers HTML, falls silent.

`/v1/chat/...` goes to the lean handler, `/v1/stock/...` and the pages to Django's, `/v1/raw/...` is plain ASGI.
"""

import asyncio
import os

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.contract.settings"

from django.core.asgi import get_asgi_application

from contract.sized_request import SizedRequest

django = get_asgi_application()
django.request_class = SizedRequest

# ruff: noqa: E402 — the apps can be imported only now
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import path
from rest_framework import exceptions as drf
from rest_framework.response import Response
from rest_framework.views import APIView

from contract import held_bytes, limits, request_id
from contract.async_view import AsyncAPIView
from contract.edge import Edge
from contract.errors import ApiError
from contract.json_answer import JsonAnswer
from contract.lean_handler import LeanHandler
from contract.lifespan import Lifespan
from contract.resolving import on_behalf_of
from tests.contract.wire import BIG, SECRET

# What the views saw, told by /v1/chat/journal
journal: list[str] = []


limits.ACCOUNT_BYTES = 4 * limits.MIB


class Authentication:
    async def authenticate_async(self, request):
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token:
            raise ApiError("unauthorized")
        if token not in ("good", "another"):
            raise ApiError("invalid_api_key")
        on_behalf_of.set(token)
        return "the caller"


class Echo(AsyncAPIView):
    async def post(self, request):
        return JsonAnswer({"body": await self.json(request), "request_id": request_id.current(), "csrf": "exempt"})


class Size(AsyncAPIView):
    async def post(self, request):
        return JsonAnswer({"size": len(request.body)})


class Private(AsyncAPIView):
    authentication_classes = (Authentication,)

    async def get(self, request):
        if "big" in request.GET:
            return HttpResponse(b"x" * BIG, content_type="application/json")
        return JsonAnswer({"auth": request.auth, "user": request.user, "name": request.GET.get("name")})

    async def post(self, request):
        return JsonAnswer({"auth": request.auth, "size": len(request.body)})


class Crash(AsyncAPIView):
    async def get(self, request):
        raise ValueError(f"text with {SECRET}")


class DatabaseAway(AsyncAPIView):
    async def get(self, request):
        raise OperationalError("connection to the database at db.internal failed")


class Refuse(AsyncAPIView):
    async def get(self, request):
        errors = [{"param": "/a", "message": "no"}, {"param": "/b/0", "message": "neither"}]
        raise ApiError("invalid_request", errors=errors)


class Busy(AsyncAPIView):
    async def get(self, request):
        raise ApiError("rate_limited", retry_after_seconds=1.2)


class Slow(AsyncAPIView):
    """Waits for ever; notes how it ended."""

    async def post(self, request):
        journal.append("slow began")
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            journal.append("slow cancelled")
            raise


class Brief(AsyncAPIView):
    """Takes half a second, as long as it is not cancelled."""

    async def post(self, request):
        journal.append("brief began")
        await asyncio.sleep(0.5)
        return JsonAnswer({"done": True})


class Stream(AsyncAPIView):
    async def get(self, request):
        answer = StreamingHttpResponse(self.parts(request.GET.get("then", "end")), content_type="text/event-stream")
        if "hurry" in request.GET:
            answer.unread_seconds = limits.UNREAD_SECONDS
        return answer

    async def parts(self, then):
        try:
            yield "data: one\n\n"
            yield b"data: two\n\n"
            if then == "crash":
                raise ValueError(SECRET)
            if then == "wait":
                await asyncio.sleep(600)
            while then == "flood":
                yield b"x" * 65536
        except BaseException as exc:
            journal.append(f"stream {type(exc).__name__}")
            raise
        finally:
            journal.append("stream closed")


class Poured(AsyncAPIView):
    """Reads its body itself, as it comes."""

    authentication_classes = (Authentication,)
    streams_body = True
    body_seconds = 3 * limits.BODY_SECONDS

    async def post(self, request):
        if "early" in request.GET:
            raise ApiError("forbidden")
        size = 0
        try:
            while part := await request.body_stream.read():
                size += len(part)
                journal.append(f"poured {len(part) > 0}")
            if "slow" in request.GET:
                journal.append("pouring is over")
                await asyncio.sleep(600)
        except asyncio.CancelledError:
            journal.append("pouring cancelled")
            raise
        return JsonAnswer({"size": size, "rest": len(await request.body_stream.read())})


class Big(AsyncAPIView):
    async def get(self, request):
        return HttpResponse(b"x" * BIG, content_type="application/json")


class Held(AsyncAPIView):
    """The bytes that are held for the caller with the token `good`."""

    authentication_classes = []

    async def get(self, request):
        return JsonAnswer({"held": held_bytes._held["good"]})


class Journal(AsyncAPIView):
    async def get(self, request):
        return JsonAnswer(journal)


# Django's handler


class Strict(APIView):
    authentication_classes = ()
    permission_classes = ()

    def post(self, request):
        return Response({"body": request.data})


class Raise(APIView):
    authentication_classes = ()
    permission_classes = ()

    def get(self, request, name):
        raise {
            "parse": drf.ParseError(SECRET),
            "validation": drf.ValidationError({"items": [{}, {"a/b": ["too long"]}], "non_field_errors": ["do not match"]}),
            "authentication": drf.AuthenticationFailed(SECRET),
            "permission": drf.PermissionDenied(SECRET),
            "throttle": drf.Throttled(wait=3.4),
            "missing": Http404(SECRET),
            "denied": PermissionDenied(SECRET),
            "suspicious": SuspiciousOperation(SECRET),
            "database": OperationalError("db.internal"),
            "crash": ValueError(SECRET),
        }[name]


def html(request, status):
    return HttpResponse(f"<h1>{status}</h1>", status=status)


def redirect(request):
    return HttpResponseRedirect("/elsewhere")


def crash(request, token=None):
    raise ValueError(SECRET)


def page(request):
    return HttpResponse("<h1>a page</h1>")


async def half(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise ValueError(SECRET)


async def silent(scope, receive, send):
    return


async def own_id(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"X-Request-Id", b"another")]})
    await send({"type": "http.response.body", "body": b"{}"})


async def early(scope, receive, send):
    """Answers before it has read the body."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b'{"early":true}'})


handler404 = "beatra_site.not_found.not_found"

urlpatterns = [
    path("v1/chat/echo", Echo.as_view()),
    path("v1/chat/size", Size.as_view()),
    path("v1/chat/private", Private.as_view()),
    path("v1/chat/crash", Crash.as_view()),
    path("v1/chat/away", DatabaseAway.as_view()),
    path("v1/chat/refuse", Refuse.as_view()),
    path("v1/chat/busy", Busy.as_view()),
    path("v1/chat/slow", Slow.as_view()),
    path("v1/chat/brief", Brief.as_view()),
    path("v1/chat/stream", Stream.as_view()),
    path("v1/chat/big", Big.as_view()),
    path("v1/chat/poured", Poured.as_view()),
    path("v1/chat/journal", Journal.as_view()),
    path("v1/chat/held", Held.as_view()),
    path("v1/stock/echo", Echo.as_view()),
    path("v1/stock/private", Private.as_view()),
    path("v1/stock/stream", Stream.as_view()),
    path("v1/stock/strict", Strict.as_view()),
    path("v1/stock/raise/<name>", Raise.as_view()),
    path("v1/stock/html/<int:status>", html),
    path("v1/stock/redirect", redirect),
    path("v1/stock/crash", crash),
    path("v1/stock/slashed/", page),
    path("page/", page),
    path("page/crash/<token>", crash),
    path("tasks/", page),
]

RAW = {"/v1/raw/half": half, "/v1/raw/silent": silent, "/v1/raw/id": own_id, "/v1/raw/early": early}


async def opened():
    journal.append("opened")


async def closed():
    print("closed", flush=True)


lean = LeanHandler()
lifespan = Lifespan(startup=[opened], shutdown=[closed])


async def route(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    elif scope["path"] in RAW:
        await RAW[scope["path"]](scope, receive, send)
    elif scope["path"].startswith("/v1/chat/"):
        await lean(scope, receive, send)
    else:
        await django(scope, receive, send)


application = Edge(route)
