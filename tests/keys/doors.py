"""How tests come in: a request with a header, and a process's async pool."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from django.http import HttpRequest
from django.test import RequestFactory

from contract.errors import ApiError
from keys.authentication import ApiKeyAuthentication
from wallets import pool


@asynccontextmanager
async def open_pool() -> AsyncIterator[None]:
    await pool.open()
    try:
        yield
    finally:
        await pool.close()


def request_with(header: str | None) -> HttpRequest:
    return RequestFactory().get("/v1/wallet", **({} if header is None else {"HTTP_AUTHORIZATION": header}))


async def accepts(token: str) -> bool:
    """Whether the async door lets this key in now."""
    try:
        await ApiKeyAuthentication().authenticate_async(request_with(f"Bearer {token}"))
    except ApiError as error:
        assert error.code in {"invalid_api_key", "tenant_disabled"}
        return False
    return True
