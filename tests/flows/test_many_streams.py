"""300 streams of 200 chunks at once: all of them whole, each charged once, and the process as slim afterwards as before."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from contract.ids import new_id
from tests.customer import Customer
from wallets.audit import audit

STREAMS, CHUNKS, ACCOUNTS = 300, 200, 3
WHOLE = "".join(f"{number}," for number in range(CHUNKS))

# The heap settles within some rounds of the same size. One that leaves less than 2 kB a stream behind leaves nothing.
ROUNDS, MARGIN_KB = 5, 2 * STREAMS


def resident_kb(pid: int) -> int:
    """The process's memory as the kernel counts it."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


async def read(owner: Customer, body: bytes) -> bytes:
    """The body of the answer. Over a bare connection: reading must cost less than what is read."""
    url = urlsplit(owner.v1)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    head = f"POST {url.path}/chat/completions HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {owner.token}\r\n"
    writer.write(f"{head}Connection: close\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    head_of_answer, _, rest = (await reader.read(-1)).partition(b"\r\n\r\n")
    writer.close()
    assert b" 200 " in head_of_answer, rest
    answer = bytearray()
    while (length := int(rest[: (end := rest.index(b"\r\n"))], 16)) > 0:
        answer += rest[end + 2 : end + 2 + length]
        rest = rest[end + 4 + length :]
    return bytes(answer)


async def read_all(owners: list[Customer], sandbox: str) -> list[bytes]:
    """What came of STREAMS calls. All of them are open at the same time: the provider sends nothing to anybody before that."""
    gate = new_id("gate")
    body = {"model": "MiniMax-M2.7", "stream": True, "messages": [{"role": "user", "content": f"[[gate={gate} chunks={CHUNKS}]]"}]}
    asked = orjson.dumps(body)
    streams = [asyncio.create_task(read(owners[number % len(owners)], asked)) for number in range(STREAMS)]
    async with httpx.AsyncClient(base_url=f"{sandbox}/control/gates", timeout=60) as control:
        waiting = asyncio.create_task(control.get(gate, params={"waiting": STREAMS, "timeout": 50}))
        await asyncio.wait([waiting, *streams], return_when=asyncio.FIRST_COMPLETED)
        assert [stream.result() for stream in streams if stream.done()] == [], "ended before the provider sent anything"
        assert waiting.result().json()["waiting"] == STREAMS
        await control.post(f"{gate}/release")
    return await asyncio.gather(*streams)


def events_of(stream: bytes) -> list[Any]:
    *events, last, end = stream.split(b"\n\n")
    assert (last, end) == (b"data: [DONE]", b"")
    return [orjson.loads(event.removeprefix(b"data: ")) for event in events]


def test_300_streams_are_whole_and_charged_once_and_leave_no_memory_behind(site: Any, customer: Callable[..., Customer]):
    owners = [customer(balance=100_000, max_in_flight=STREAMS, requests_per_minute=100_000) for _ in range(ACCOUNTS)]
    streams = asyncio.run(read_all(owners, site.sandbox))

    charged = {record.id: record for owner in owners for record in owner.records}
    seen = set()
    for stream in streams:
        *events, last = events_of(stream)
        assert "".join(event["choices"][0]["delta"].get("content", "") for event in events) == WHOLE
        assert {event["id"] for event in events} == {last["id"]}
        assert last["choices"][0]["finish_reason"] == "stop"
        assert last["usage"]["credits"] == str(charged[last["id"]].charged_credits)
        seen.add(last["id"])
    assert len(seen) == STREAMS

    for owner in owners:
        assert {(record.status, record.clause) for record in owner.records} == {("charged", "complete")}
        assert len(owner.entries) == len(owner.records) == STREAMS // ACCOUNTS
        assert (owner.wallet.held, owner.wallet.in_flight) == (0, 0)
    assert audit() == []

    sizes = [resident_kb(site.web.pid)]
    while len(sizes) < 2 or sizes[-1] > sizes[-2] + MARGIN_KB:
        assert len(sizes) < ROUNDS, f"every round of {STREAMS} streams adds memory: {sizes} kB"
        asyncio.run(read_all(owners, site.sandbox))
        sizes.append(resident_kb(site.web.pid))
