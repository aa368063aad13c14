"""The URL of an image in a message: which are taken.

An image is an https address or a `data:` URI of a PNG, JPEG, GIF or WebP of at most 8 MiB; its bytes say which, not its name.
"""

from __future__ import annotations

import re

from contract import limits
from contract.https_url import checked_https_url
from contract.strict_base64 import decoded

KINDS = "a PNG, JPEG, GIF or WebP image"

_DATA_URI = re.compile(r"data:image/(png|jpe?g|gif|webp);base64,", re.IGNORECASE)


def image_type(data: bytes) -> str | None:
    """The media type of an image by its first bytes, None if it is none of those taken."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def checked_url(url: str) -> str:
    """The URL of an image as it may go on. A data URI gets the type that its bytes have.

    Raises ValueError, whose text is the rest of a sentence about the URL.
    """
    if url[:5].lower() == "data:":
        return _checked_data(url)
    if url[:8].lower() != "https://":
        raise ValueError(f"must be an https address or a base64 data: URI of {KINDS}")
    return checked_https_url(url)


def _checked_data(uri: str) -> str:
    head = _DATA_URI.match(uri)
    if head is None:
        raise ValueError(f"must be a base64 data: URI of {KINDS}")
    if len(uri) - head.end() > -(-limits.IMAGE // 3) * 4:
        raise ValueError(f"is larger than {limits.IMAGE // limits.MIB} MiB")
    encoded = uri[head.end() :]
    try:
        beginning, *_ = [piece[:12] for piece in decoded(encoded)]
    except ValueError:  # binascii.Error, and characters beyond ASCII
        raise ValueError("must hold valid base64") from None
    if (kind := image_type(beginning)) is None:
        raise ValueError(f"must hold {KINDS}")
    return uri if head[0] == f"data:{kind};base64," else f"data:{kind};base64,{encoded}"
