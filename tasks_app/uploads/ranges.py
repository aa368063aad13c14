"""Which part of a file a request asks for (RFC 9110, 13 and 14): one range, the whole of it, or nothing new."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final, NamedTuple

from django.http import HttpRequest
from django.utils.http import http_date, parse_http_date_safe

_ONE_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class Part(NamedTuple):
    """Bytes `start` to `end`, without the last. `is_range`: they were asked for by a Range."""

    start: int
    end: int
    is_range: bool = False


class OutOfRange(Exception):
    """The range that was asked for lies outside of the file."""


def asked_for(request: HttpRequest, *, size: int, etag: str, modified_at: datetime) -> Part:
    """The part of a file of `size` bytes. Several ranges, and what is no range, count as none. Raises OutOfRange."""
    whole = Part(0, size)
    match = _ONE_RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if match is None or not (match[1] or match[2]) or not _if_range(request, etag=etag, modified_at=modified_at):
        return whole
    if not match[1]:
        start, end = max(size - int(match[2]), 0), size
        if match[2].strip("0") == "":
            raise OutOfRange
    else:
        start, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
        if match[2] and int(match[2]) < int(match[1]):
            return whole
    if start >= size:
        raise OutOfRange
    return Part(start, end, is_range=True)


def is_unchanged(request: HttpRequest, *, etag: str, modified_at: datetime) -> bool:
    """Whether the caller has the file already: a 304."""
    if (known := request.headers.get("If-None-Match")) is not None:
        return known.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in known.split(",")]
    since = parse_http_date_safe(request.headers.get("If-Modified-Since", ""))
    return since is not None and int(modified_at.timestamp()) <= since


def _if_range(request: HttpRequest, *, etag: str, modified_at: datetime) -> bool:
    known = request.headers.get("If-Range")
    return known is None or known.strip() in (etag, http_date(modified_at.timestamp()))
