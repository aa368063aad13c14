"""Server-sent events out of the raw bytes of a provider's stream (the WHATWG specification, as far as providers use it)."""

from __future__ import annotations

from chat.upstream.errors import Failed

MAX_EVENT_BYTES = 1024 * 1024
"""More than any event of a chat: a whole answer in one is a few hundred kilobytes. It is read between those of other callers."""


class Events:
    """Takes bytes as they come, split and merged anywhere, and gives the data of the events that are complete.

    Comments, `event:`, `id:` and `retry:` say nothing in a chat stream and are passed over.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._lines: list[bytes] = []
        self._waiting_bytes = 0

    def feed(self, received: bytes) -> list[bytes]:
        """The data of every event that `received` completes. Raises Failed if one grows past `MAX_EVENT_BYTES`."""
        self._waiting_bytes += len(received)
        events: list[bytes] = []
        if end := received.rfind(b"\n") + 1:
            self._parts.append(received[:end])
            block, self._parts = b"".join(self._parts), [received[end:]]
            events = self._read(block)
            if events or not self._lines:  # comments wait for nothing
                self._waiting_bytes = len(received) - end
        else:
            self._parts.append(received)
        if self._waiting_bytes > MAX_EVENT_BYTES:
            raise Failed("an event of the stream is too large")
        return events

    def end(self) -> list[bytes]:
        """The data of what was sent without the blank line that ends an event."""
        return self._read(b"".join(self._parts) + b"\n\n")

    def _read(self, block: bytes) -> list[bytes]:
        events: list[bytes] = []
        lines = self._lines
        for line in block.splitlines():
            if line.startswith(b"data:"):
                lines.append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line and lines:
                events.append(lines[0] if len(lines) == 1 else b"\n".join(lines))
                lines.clear()
        return events
