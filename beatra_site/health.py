"""Whether the site lives and is ready: for callers, for an orchestrator, for operators. Served by the lean handler."""

import asyncio
import os
from collections.abc import Awaitable
from datetime import UTC
from pathlib import Path
from typing import Any, Literal

import redis.asyncio
from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.http import HttpRequest
from pydantic import BaseModel

from beatra_site.celery import app as celery
from chat import lifetime
from contract.async_view import AsyncAPIView
from contract.json_answer import JsonAnswer
from contract.operation import Operation, documented
from wallets import last_audit, pool

_PATIENCE_SECONDS = 2.0


class Healthy(BaseModel):
    status: Literal["ok"]


class Health(AsyncAPIView):
    """`GET /v1/health` and `/livez`: the process answers. No authentication, no I/O."""

    authentication_classes = ()
    permission_classes = ()

    @documented(Operation(id="getHealth", tag="Health", status="Available", answer=Healthy, answer_words="It does."))
    async def get(self, request: HttpRequest) -> JsonAnswer:
        """Whether the API answers.

        Needs no key and looks at nothing else, so it may be asked as often as you like.
        """
        return JsonAnswer({"status": "ok"})


class Readiness(AsyncAPIView):
    """`GET /readyz`: the state of all that the process leans on.

    200 `ready`; 503 `warming` while the imports of the start still run; 503 `unavailable` when the database is away. The others
    may be away: money needs PostgreSQL alone. `audit` is the last audit of the books (wallets/last_audit.py): its `state` is `ok`,
    `never`, `overdue` after a day without one, or `differences` with their number; `at` is its time in UTC.
    """

    authentication_classes = ()
    permission_classes = ()

    async def get(self, request: HttpRequest) -> JsonAnswer:
        checks = {"database": _database(), "redis": _redis(), "broker": asyncio.to_thread(_broker), "storage": asyncio.to_thread(_storage)}
        audit, *found = await asyncio.gather(_audit(), *(_state(check) for check in checks.values()))
        states = dict(zip(checks, found, strict=True))
        status = "unavailable" if states["database"] != "ok" else "warming" if lifetime.warming() else "ready"
        return JsonAnswer(
            {"status": status, "checks": {**states, "audit": audit}},
            status=200 if status == "ready" else 503,
            headers={"Cache-Control": "no-store"},
        )


async def _state(check: Awaitable[object]) -> str:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await check
    except Exception:
        return "away"
    return "ok"


async def _database() -> None:
    async with pool.connection(wait_seconds=_PATIENCE_SECONDS) as connection:
        await connection.execute("SELECT 1")


async def _audit() -> dict[str, Any]:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            last = await last_audit.read_async(wait_seconds=_PATIENCE_SECONDS)
    except Exception:
        return {"state": "away"}
    if last.ended_at is None:
        return {"state": last.state}
    at = last.ended_at.astimezone(UTC).isoformat(timespec="seconds")
    return {"state": last.state, "at": at, "differences": last.differences}


async def _redis() -> None:
    async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
        await client.ping()


def _broker() -> None:
    options = {"socket_connect_timeout": _PATIENCE_SECONDS, "socket_timeout": _PATIENCE_SECONDS}
    with celery.connection_for_write(transport_options=options) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=_PATIENCE_SECONDS)


def _storage() -> None:
    if isinstance(default_storage, FileSystemStorage):
        folder = Path(default_storage.location)
        while not folder.exists():  # made by the first file
            folder = folder.parent
        if not os.access(folder, os.W_OK):
            raise PermissionError
    else:
        default_storage.exists("readyz")
