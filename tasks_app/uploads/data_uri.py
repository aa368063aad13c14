"""Files in a `data:` URI. What type it claims is ignored: what a file is, its bytes say."""

from __future__ import annotations

import re

from contract.limits import MIB
from contract.strict_base64 import decoded

_HEAD = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)


def bytes_of(uri: str, *, most_bytes: int) -> bytes:
    """The bytes in a base64 `data:` URI. Raises ValueError, whose text is the rest of a sentence about the URI."""
    head = _HEAD.match(uri)
    if head is None:
        raise ValueError("must be a base64 data: URI")
    too_large = ValueError(f"is larger than {most_bytes // MIB} MiB")
    if len(uri) - head.end() > -(-most_bytes // 3) * 4:
        raise too_large
    try:
        data = b"".join(decoded(uri[head.end() :]))
    except ValueError:  # binascii.Error, and characters beyond ASCII
        raise ValueError("must hold valid base64") from None
    if len(data) > most_bytes:
        raise too_large
    return data
