"""What the bodies of calls count for: until the call ends, not until its caller leaves."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from contract.limits import CHAT_BODY, MIB
from tests.contract.wire import error_of, eventually
from tests.customer import Customer
from tests.gate import Gate


def body(text: str, *, mebibytes: int, **fields: object) -> bytes:
    """A chat's body of that size, nearly all of it white space around a short prompt."""
    said = json.dumps({"model": "MiniMax-M2.7", "messages": [{"role": "user", "content": text}], "max_completion_tokens": 16, **fields})
    return said.encode().ljust(mebibytes * MIB)


def hang_up_on(owner: Customer, sent: bytes, *, key: str) -> socket.socket:
    url = urlsplit(owner.v1)
    connection = socket.create_connection((url.hostname, url.port), timeout=30)
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        f"Host: {url.netloc}",
        f"Authorization: Bearer {owner.token}",
        "Content-Type: application/json",
        f"Idempotency-Key: {key}",
        f"Content-Length: {len(sent)}",
    ]
    connection.sendall("\r\n".join([*lines, "", ""]).encode() + sent)
    return connection


def quote(owner: Customer, sent: bytes) -> httpx.Response:
    """A body that costs nothing."""
    return owner.http.post("/chat/completions/quote", content=sent, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_calls_whose_callers_hung_up_hold_their_bodies_until_they_end(customer, gate: Gate, stream: bool):
    owner, another = customer(), customer()
    large = body(gate.text, mebibytes=CHAT_BODY // MIB, stream=stream)
    for number in range(8):
        connection = hang_up_on(owner, large, key=f"held-{number}")
        gate.wait(number + 1)
        connection.close()
    one = body("Say hi in five words.", mebibytes=1)
    # Whoever hung up may still have to be noticed: however long that takes, there is never room
    for _ in range(20):
        refused = quote(owner, one)
        assert (refused.status_code, error_of(refused)["details"]) == (429, {"limit": "account_bytes"})
    assert quote(another, one).status_code == 200
    gate.open()
    assert eventually(lambda: owner.wallet.in_flight == 0, seconds=30)
    assert len(owner.entries) == 8
    # There is room again, for the largest
    assert eventually(lambda: quote(owner, body("Hi.", mebibytes=CHAT_BODY // MIB)).status_code == 200)
