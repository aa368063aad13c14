"""The API document as it is served: `/openapi.json` and `/openapi.yaml`, open to everybody.

Both are the committed copies in docs/, which `make check` holds equal to the code, so no web process makes the document or loads
what makes it. Only the origin differs from site to site.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response

from contract.async_view import AsyncAPIView
from contract.operation import ORIGIN

FOLDER: Final = Path(__file__).resolve().parent.parent / "docs"
_TYPES: Final = {"openapi.json": "application/json", "openapi.yaml": "application/yaml"}
_CACHE_SECONDS: Final = 300


class OpenApiDocument(AsyncAPIView):
    """`GET /openapi.json` and `/openapi.yaml`. An `If-None-Match` that still fits is answered 304."""

    authentication_classes = ()
    permission_classes = ()
    file = ""

    async def get(self, request: HttpRequest) -> HttpResponse:
        content, etag = _served(self.file)
        headers = {"Cache-Control": f"public, max-age={_CACHE_SECONDS}", "ETag": etag}
        answer = HttpResponse(content, content_type=_TYPES[self.file], headers=headers)
        return get_conditional_response(request, etag=etag, response=answer) or answer


@cache
def _served(file: str) -> tuple[bytes, str]:
    """The copy for this site, read once per process, and its ETag."""
    content = (FOLDER / file).read_text().replace(ORIGIN, settings.SITE_URL.rstrip("/")).encode()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
