"""The Content-Security-Policy of every page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

_COMMON = {
    "default-src": "'self'",
    # data: for the icons inside Pico's style sheet
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
# Unfold's Alpine evaluates the text of attributes, and its pages carry style elements; staff only.
_ADMIN = {
    **_COMMON,
    "script-src": "'self' 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
}


def _header(directives: dict[str, str]) -> str:
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


def _checkouts() -> str:
    """Where the form that buys credits is sent on to: a browser checks that too."""
    stripe = ["https://checkout.stripe.com"] if settings.STRIPE_SECRET_KEY else []
    place = urlsplit(settings.SANDBOX_PUBLIC_URL) if settings.SANDBOX else None
    sandbox = [f"{place.scheme}://{place.netloc}"] if place is not None and place.netloc else []
    return "".join(f" {origin}" for origin in stripe + sandbox)


CUSTOMER_POLICY = _header({**_COMMON, "form-action": "'self'" + _checkouts()})
ADMIN_POLICY = _header(_ADMIN)


def _with_policy(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    policy = ADMIN_POLICY if request.path.startswith("/admin/") else CUSTOMER_POLICY
    response.headers.setdefault("Content-Security-Policy", policy)
    return response


@sync_and_async_middleware
def content_security_policy(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Middleware: sets the policy unless the view has set its own. No inline script or style anywhere but in `/admin/`."""
    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponseBase:
            return _with_policy(request, await get_response(request))

        return middleware

    def sync_middleware(request: HttpRequest) -> HttpResponseBase:
        return _with_policy(request, get_response(request))

    return sync_middleware
