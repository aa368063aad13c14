"""How the site names and sends its static files."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """whitenoise, but the file is a plain response: under ASGI its FileResponse would be read whole all the same, with a warning."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        found = static_file.get_response(request.method, request.META)
        body = b""
        if found.file is not None:
            with found.file as file:
                body = file.read()
        response = HttpResponse(body, status=int(found.status))
        del response.headers["Content-Type"]
        for name, value in found.headers:
            response.headers[name] = value
        return response


class StaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Hashed, compressed and cached for ever once `collectstatic` has run; plain names straight from their folders where it has not.

    So the demo and the tests need no collecting step, and a deployment gets the best caching by running it.
    """

    def stored_name(self, name: str) -> str:
        return super().stored_name(name) if self.hashed_files else name
