"""Putting those images into a body that its provider does not fetch itself."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

from catalog.snapshot import RouteInfo
from chat.image_urls import KINDS, image_type
from chat.upstream import dialects
from contract import limits
from contract.errors import ApiError, FieldError
from contract.fetching import INTERNET, FetchError, Network, fetch
from contract.invalid import invalid_fields
from contract.json_pointer import pointer

# What a call may hold of fetched images altogether: as many characters as a body may have
MAX_BYTES_FETCHED = limits.CHAT_BODY
FETCHED_AT_ONCE = 4
_PIECE = 3 * 65_536  # bytes; a whole number of base64's threes


class Inlining:
    """The `fields` of one call as its routes get them, one after another: no image is fetched twice, nor waited for twice in vain."""

    def __init__(self, fields: dict[str, Any], *, network: Network = INTERNET) -> None:
        self._fields = fields
        self._network = network
        self._inlined: dict[str, Any] | ApiError | None = None

    async def fields_for(self, route: RouteInfo) -> dict[str, Any]:
        """The fields as they go to `route`: as they are if its provider fetches images itself. Raises as `inlined` does."""
        if _fetches_itself(route):
            return self._fields
        if self._inlined is None:
            try:
                self._inlined = await inlined(self._fields, network=self._network)
            except ApiError as error:
                self._inlined = error
        if isinstance(self._inlined, ApiError):
            raise self._inlined
        return self._inlined


async def inlined(fields: dict[str, Any], *, network: Network = INTERNET) -> dict[str, Any]:
    """`fields` with every image in the body, fetched by contract.md, section 9.

    Raises ApiError invalid_request, every image named that could not be fetched or is none.
    """
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
        data = await fetch(url, most_bytes=limits.IMAGE, seconds=limits.IMAGE_FETCH_SECONDS, network=network)
    except FetchError as error:
        return error
    if (kind := image_type(data)) is None:
        return FetchError(f"is not {KINDS}")
    return await asyncio.to_thread(data_uri, data, kind=kind)


def data_uri(data: bytes, *, kind: str) -> str:
    """`data` as a data URI. For a thread, and in pieces: encoding holds the interpreter's lock, 8 MiB in one would stop the event loop."""
    pieces = (base64.b64encode(data[at : at + _PIECE]) for at in range(0, len(data), _PIECE))
    return b"".join((f"data:{kind};base64,".encode(), *pieces)).decode()


def _with_images(message: dict[str, Any], fetched: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": [_with_image(part, fetched) for part in content]}


def _with_image(part: dict[str, Any], fetched: dict[str, Any]) -> dict[str, Any]:
    if part["type"] != "image_url" or (data := fetched.get(part["image_url"]["url"])) is None:
        return part
    return {**part, "image_url": {**part["image_url"], "url": data}}
