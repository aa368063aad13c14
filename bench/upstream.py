"""A provider that costs next to nothing: canned bytes of OpenAI's wire over a raw protocol. `python -m bench.upstream PORT`.

A call whose body says `"stream": true` is answered with 20 chunks, the usage and [DONE], else with one JSON of about 830 bytes.
`[[delay=200]]` in its body waits that many milliseconds before the first byte, `[[pace=10]]` sends the chunks that far apart.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Any

import uvloop

CHUNKS = 20
WORDS = "It is an answer of sixty tokens or so, such as a short question gets from a model that was asked to be brief and plain. "
USAGE = {"prompt_tokens": 57, "completion_tokens": 60, "total_tokens": 117, "prompt_tokens_details": {"cached_tokens": 0}}
_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")
_STREAM = re.compile(rb'"stream": ?true')
_DELAY = re.compile(rb"\[\[delay=(\d+)\]\]")
_PACE = re.compile(rb"\[\[pace=(\d+)\]\]")


def _json(kind: str, **rest: Any) -> bytes:
    return json.dumps({"id": "chatcmpl-1", "object": kind, "created": 1790000000, "model": "bench", **rest}).encode()


def _event(delta: dict[str, Any] | None, *, finish: str | None = None, **rest: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    return _framed(b"data: " + _json("chat.completion.chunk", choices=choices, **rest) + b"\n\n")


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_MESSAGE = {"role": "assistant", "content": WORDS * 3}
_ANSWER = _json("chat.completion", choices=[{"index": 0, "message": _MESSAGE, "finish_reason": "stop"}], usage=USAGE)
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(_ANSWER), _ANSWER)
START = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" + _event({"role": "assistant"})
PARTS = [_event({"content": f"word{number:03} and more "}) for number in range(CHUNKS)]
END = _event({}, finish="stop") + _event(None, usage=USAGE) + _framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"
BURST = START + b"".join(PARTS) + END


class Provider(asyncio.Protocol):
    """One connection; calls come one after another on it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not separator or (length and len(body) < int(length[1])):
            return
        self._received = b""
        delay = _DELAY.search(body)
        self._loop.call_later(int(delay[1]) / 1000, self._answer, body) if delay else self._answer(body)

    def _answer(self, body: bytes) -> None:
        if not _STREAM.search(body):
            self._transport.write(WHOLE)
        elif not (pace := _PACE.search(body)):
            self._transport.write(BURST)
        else:
            self._transport.write(START + PARTS[0])
            for number, part in enumerate([*PARTS[1:], END], start=1):
                self._loop.call_later(number * int(pace[1]) / 1000, self._transport.write, part)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
