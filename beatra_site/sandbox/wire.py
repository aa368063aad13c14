"""How bytes go out: server-sent events in the several ways providers write them, and bodies that are no answer."""

from typing import Any, Literal

import orjson

from beatra_site.sandbox.exchange import Exchange

Wire = Literal["crlf", "split", "merged", "no_space", "noisy"]
PIECE_BYTES = 7
MERGED_BYTES = 1000


class EventWriter:
    """Writes the events of one stream, in one of the ways of `faults.py`'s `wire`."""

    def __init__(self, exchange: Exchange, *, wire: Wire | None) -> None:
        self._exchange = exchange
        self._wire = wire
        self._waiting = b""
        self._written = 0

    async def write(self, content: dict[str, Any] | None) -> None:
        """Sends one event; None is `[DONE]`."""
        data = b"[DONE]" if content is None else orjson.dumps(content)
        self._written += 1
        match self._wire:
            case None:
                await self._exchange.write(b"data: " + data + b"\n\n")
            case "crlf":
                await self._exchange.write(b"data: " + data + b"\r\n\r\n")
            case "no_space":
                await self._exchange.write(b"data:" + data + b"\n\n")
            case "noisy":
                await self._exchange.write(b": comment\nevent: message\nid: %d\nretry: 1000\ndata: %s\n\n" % (self._written, data))
            case "split":
                event = b"data: " + data + b"\n\n"
                for start in range(0, len(event), PIECE_BYTES):
                    await self._exchange.write(event[start : start + PIECE_BYTES])
                    await self._exchange.wait(0)
            case "merged":
                self._waiting += b"data: " + data + b"\n\n"
                if content is None or len(self._waiting) > MERGED_BYTES:
                    await self.flush()

    async def flush(self) -> None:
        """Sends what waits to be merged."""
        if self._waiting:
            await self._exchange.write(self._waiting)
            self._waiting = b""


def garbage_body(kind: str, *, code: int) -> tuple[bytes, str]:
    """A body that is no chat completion, and its content type. `code`: MiniMax's status code, 1008 is "insufficient balance"."""
    match kind:
        case "html":
            return b"<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>", "text/html; charset=utf-8"
        case "json":
            return b'{"id": "chatcmpl-1", "object": "chat.completion", "choices": [{"index"', "application/json"
        case "base_resp":
            message = "insufficient balance" if code == 1008 else "sandbox"
            return orjson.dumps({"base_resp": {"status_code": code, "status_msg": message}}), "application/json"
        case "no_choices":
            return orjson.dumps(
                {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "x", "choices": []}
            ), "application/json"
        case _:
            return b"", "application/json"
