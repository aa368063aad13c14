"""DRF's APIView with an async dispatch, for the chat path.

What stays is what a reader and drf-spectacular look for: the attributes, `authentication_classes` (the document's security),
`schema`, the handler methods, the exception handler, `request.auth`. What is left out costs more than a whole chat call:
negotiation, parsers, serializers, thread hops.
"""

import math
import time
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.views import APIView

from contract import strict_json
from contract.errors import ApiError

# Who was identified so lately is not looked up again. A body may come for minutes, and the key be revoked meanwhile
_FRESH_SECONDS = 0.1


class AsyncAPIView(APIView):
    """Write `async def get/post/...(self, request)` and return a JsonAnswer or a StreamingHttpResponse.

    Who calls is told by the first of `authentication_classes`: its `async authenticate_async(request)` gives the caller or
    raises ApiError; it stands on `request.auth` and `request.user` then. No classes leave the view open. `request` is
    Django's own, not DRF's wrapper. Any exception becomes the envelope. CSRF-exempt, as every APIView. Runs under the lean handler
    and under Django's.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A GET answers HEAD too. Django puts that on each view, which then refers to itself and waits for the garbage collector."""
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "get") and not hasattr(cls, "head"):
            cls.head = cls.get

    @classmethod
    async def check_head(cls, request: HttpRequest) -> None:
        """What a request's head alone tells, and who calls: for the lean handler, which reads no body of a stranger.

        Raises ApiError method_not_allowed, or what the authentication class raises.
        """
        view = cls()
        view.setup(request)
        view._handler_of(request)
        await view._identify(request)

    async def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Refuse an unknown method, authenticate, call the handler, turn any exception into the envelope."""
        self.request, self.args, self.kwargs = request, args, kwargs
        try:
            handler = self._handler_of(request)
            await self._identify(request)
            answer: HttpResponseBase = await handler(request, *args, **kwargs)
        except Exception as exc:
            answer = self.get_exception_handler()(exc, self.get_exception_handler_context())
        return answer

    async def _identify(self, request: HttpRequest, *, fresh_seconds: float = _FRESH_SECONDS) -> None:
        if time.monotonic() - getattr(request, "identified_at", -math.inf) < fresh_seconds:
            return
        for authentication in self.authentication_classes[:1]:
            request.auth = request.user = await authentication().authenticate_async(request)  # type: ignore[attr-defined]  # DRF's names, and a method of ours
            request.identified_at = time.monotonic()  # type: ignore[attr-defined]  # a name of ours

    def _handler_of(self, request: HttpRequest) -> Any:
        name = (request.method or "").lower()
        # OPTIONS is the edge's; DRF's own handler of it is sync
        if name not in self.http_method_names or name == "options" or not hasattr(self, name):
            raise ApiError("method_not_allowed", allow=self.allowed_methods)
        return getattr(self, name)

    @staticmethod
    async def json(request: HttpRequest) -> dict[str, Any]:
        """The body as a dict, by `contract.strict_json`.

        Raises ApiError: unsupported_media_type unless the Content-Type is application/json, invalid_request.
        """
        if request.content_type != "application/json":
            raise ApiError("unsupported_media_type", strict_json.WANTED)
        return await strict_json.read(request.body)
