"""Django's ASGI request with the length of its body, also where the body came in chunks."""

import os
from typing import IO

from django.core.handlers.asgi import ASGIRequest

from contract.asgi import Scope


class SizedRequest(ASGIRequest):
    """For `ASGIHandler.request_class`. DRF takes a request without CONTENT_LENGTH for one without a body and would drop it."""

    def __init__(self, scope: Scope, body_file: IO[bytes]) -> None:
        super().__init__(scope, body_file)
        if "CONTENT_LENGTH" not in self.META:
            self.META["CONTENT_LENGTH"] = str(body_file.seek(0, os.SEEK_END))
            body_file.seek(0)
