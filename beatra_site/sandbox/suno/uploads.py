"""Files put at Suno to be covered: multipart in, a link out. The oldest go when there are too many bytes."""

from __future__ import annotations

import re
import secrets
import time
from collections import OrderedDict
from typing import Any

from beatra_site.sandbox.suno.refusals import Refusal

KEPT_BYTES = 256 * 1024 * 1024


class Uploads:
    """The files, by the last part of their links."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def add(self, fields: dict[str, tuple[str, bytes]], *, origin: str) -> dict[str, Any]:
        """Keeps the file of a form; what the answer says of it. Raises Refusal 400 without one."""
        filename, data = fields.get("file", ("", b""))
        if not data or not fields.get("uploadPath", ("", b""))[1]:
            raise Refusal(400, "file and uploadPath are required")
        given = fields.get("fileName", ("", b""))[1].decode("utf-8", "replace")
        name = f"{secrets.token_hex(8)}-{re.sub(r'[^a-zA-Z0-9_.-]', '_', given or filename or 'file')[-80:]}"
        self._files[name] = data
        self._bytes += len(data)
        while self._bytes > KEPT_BYTES and len(self._files) > 1:
            _, oldest = self._files.popitem(last=False)
            self._bytes -= len(oldest)
        link = f"{origin}/suno/uploads/{name}"
        return {
            "fileName": name,
            "filePath": f"uploads/{name}",
            "downloadUrl": link,
            "fileSize": len(data),
            "mimeType": "audio/mpeg",
            "uploadedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }

    def find(self, name: str) -> bytes | None:
        return self._files.get(name)


def form(content_type: str, body: bytes) -> dict[str, tuple[str, bytes]]:
    """The fields of a multipart form: of each its file name, if any, and its bytes. Raises Refusal 400 for any other body."""
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    if not content_type.startswith("multipart/form-data") or not boundary:
        raise Refusal(400, "multipart/form-data is required")
    fields = {}
    for part in body.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        text = head.decode("utf-8", "replace")
        if name := re.search(r'[; ]name="([^"]*)"', text):
            filename = re.search(r'filename="([^"]*)"', text)
            fields[name[1]] = (filename[1] if filename else "", data.removesuffix(b"\r\n"))
    return fields
