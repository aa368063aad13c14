"""Images in messages: what is taken, and putting those in that a provider does not fetch itself.

An image is an https address or a `data:` URI of a PNG, JPEG, GIF or WebP of at most 8 MiB; its bytes say which, not its name.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from catalog.snapshot import RouteInfo
from chat.upstream import dialects
from contract import limits
from contract.errors import FieldError
from contract.fetching import INTERNET, FetchError, Network, fetch
from contract.invalid import invalid_fields
from contract.json_pointer import pointer

MAX_BYTES = 8 * limits.MIB
# What a call may hold of fetched images altogether: as many characters as a body may have
MAX_BYTES_FETCHED = limits.CHAT_BODY
FETCH_SECONDS = 10.0
FETCHED_AT_ONCE = 4
MAX_URL_CHARACTERS = 8192

_DATA_URI = re.compile(r"data:image/(png|jpe?g|gif|webp);base64,", re.IGNORECASE)
_NO_ADDRESS = re.compile(r"[\s\x00-\x1f\x7f\\]")
_PIECE = 4 * 65_536  # characters; a whole number of base64's fours
_KINDS = "a PNG, JPEG, GIF or WebP image"


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
        raise ValueError(f"must be an https address or a base64 data: URI of {_KINDS}")
    if len(url) > MAX_URL_CHARACTERS:
        raise ValueError(f"must have at most {MAX_URL_CHARACTERS} characters")
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


def _checked_data(uri: str) -> str:
    head = _DATA_URI.match(uri)
    if head is None:
        raise ValueError(f"must be a base64 data: URI of {_KINDS}")
    if len(uri) - head.end() > -(-MAX_BYTES // 3) * 4:
        raise ValueError("is larger than 8 MiB")
    encoded = uri[head.end() :]
    try:
        data = _beginning(encoded)
    except ValueError:  # binascii.Error, and characters beyond ASCII
        raise ValueError("must hold valid base64") from None
    if (kind := image_type(data)) is None:
        raise ValueError(f"must hold {_KINDS}")
    return uri if head[0] == f"data:{kind};base64," else f"data:{kind};base64,{encoded}"


def _beginning(encoded: str) -> bytes:
    """The first bytes in `encoded`, all of which is read. Raises ValueError if it is no base64.

    In pieces, because decoding holds the interpreter's lock: 8 MiB in one would stop the event loop for 20 ms.
    """
    if len(encoded) % 4 or encoded.find("=", 0, -2) != -1:
        raise ValueError("not whole, or padded in the middle")
    first, *_ = [binascii.a2b_base64(encoded[at : at + _PIECE], strict_mode=True)[:12] for at in range(0, len(encoded) or 1, _PIECE)]
    return first


async def inlined(fields: dict[str, Any], *, route: RouteInfo, network: Network = INTERNET) -> dict[str, Any]:
    """`fields` with every image in the body, fetched by contract.md, section 9, unless the provider of `route` fetches them itself.

    Raises ApiError invalid_request, every image named that could not be fetched or is none.
    """
    if _fetches_itself(route):
        return fields
    places = list(_addresses(fields["messages"]))
    if not places:
        return fields
    left, turn = MAX_BYTES_FETCHED, asyncio.Semaphore(FETCHED_AT_ONCE)
    too_many = FetchError(f"makes the images larger than {MAX_BYTES_FETCHED // limits.MIB} MiB in all")

    async def one(url: str) -> str | FetchError:
        nonlocal left
        async with turn:
            image = await _fetched(url, network) if left >= 0 else too_many
        if isinstance(image, str):
            left -= len(image)
        return too_many if left < 0 and isinstance(image, str) else image

    urls = list(dict.fromkeys(url for url, _ in places))
    fetched = dict(zip(urls, await asyncio.gather(*(one(url) for url in urls)), strict=True))
    errors: list[FieldError] = [
        {"param": pointer(path), "message": str(fetched[url])} for url, path in places if isinstance(fetched[url], FetchError)
    ]
    if errors:
        raise invalid_fields(errors)
    return {**fields, "messages": [_with_images(message, fetched) for message in fields["messages"]]}


def _fetches_itself(route: RouteInfo) -> bool:
    """litellm would fetch some URLs from inside our network, and never sees any."""
    return route.transport == "native" and dialects.of(route).fetches_images


def _addresses(messages: list[dict[str, Any]]) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """Each image that is not in the body: its address, and where that stands."""
    for index, message in enumerate(messages):
        content = message.get("content")
        for number, part in enumerate(content if isinstance(content, list) else ()):
            if part["type"] == "image_url" and part["image_url"]["url"].startswith("https://"):
                yield part["image_url"]["url"], ("messages", index, "content", number, "image_url", "url")


async def _fetched(url: str, network: Network) -> str | FetchError:
    """The image at `url` as a data URI, or why there is none."""
    try:
        data = await fetch(url, most_bytes=MAX_BYTES, seconds=FETCH_SECONDS, network=network)
    except FetchError as error:
        return error
    if (kind := image_type(data)) is None:
        return FetchError(f"is not {_KINDS}")
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _with_images(message: dict[str, Any], fetched: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": [_with_image(part, fetched) for part in content]}


def _with_image(part: dict[str, Any], fetched: dict[str, Any]) -> dict[str, Any]:
    if part["type"] != "image_url" or (data := fetched.get(part["image_url"]["url"])) is None:
        return part
    return {**part, "image_url": {**part["image_url"], "url": data}}
