"""The https address that a caller gives: which are taken, before anybody asks where they lead."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from contract import limits

_NO_ADDRESS = re.compile(r"[\s\x00-\x1f\x7f\\]")


def checked_https_url(url: str) -> str:
    """`url` with its scheme in lower case. Raises ValueError, whose text is the rest of a sentence about the URL."""
    if url[:8].lower() != "https://":
        raise ValueError("must be an https address")
    if len(url) > limits.URL_CHARACTERS:
        raise ValueError(f"must have at most {limits.URL_CHARACTERS} characters")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or _NO_ADDRESS.search(url):
        raise ValueError("must be a valid https address")
    if parts.username is not None:
        raise ValueError("must not carry a user name or password")
    return f"https://{url[8:]}"
