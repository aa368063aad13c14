"""The Content-Security-Policy of every page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

_COMMON = {
    "default-src": "'self'",
    # data: for the icons inside Pico's style sheet
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
# Unfold's Alpine evaluates its attributes and both write style attributes; staff only.
_ADMIN = {
    **_COMMON,
    "script-src": "'self' 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
}


def _header(directives: dict[str, str]) -> str:
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


CUSTOMER_POLICY = _header(_COMMON)
ADMIN_POLICY = _header(_ADMIN)


class ContentSecurityPolicyMiddleware:
    """Sets the policy unless the view has set its own: no inline script or style anywhere but in the style of `/admin/`."""

    async_capable = True
    sync_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if iscoroutinefunction(self):
            return self._acall(request)
        response = self.get_response(request)
        assert not isinstance(response, Awaitable)
        return self._add(request, response)

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        assert isinstance(response, Awaitable)
        return self._add(request, await response)

    @staticmethod
    def _add(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        policy = ADMIN_POLICY if request.path.startswith("/admin/") else CUSTOMER_POLICY
        response.headers.setdefault("Content-Security-Policy", policy)
        return response
