"""Requests for music, as a customer of the running site sends them."""

from __future__ import annotations

import base64
from typing import Any

import httpx

from tests.customer import Customer
from tests.tasks_app.media_files import wav

TEXT, REFERENCE = "/music/text-to-music", "/music/reference-audio-to-music"
SUNO = {"model": "suno-5.5", "prompt": "A calm piano piece", "instrumental": True}
MINIMAX = {"model": "minimax-music-2.6", "prompt": "A calm piano piece", "instrumental": True}
CUSTOM = {"custom_mode": True}


def ask(owner: Customer, body: dict[str, Any], *, path: str = TEXT, key: str | None = None, v1: str = "") -> httpx.Response:
    headers = owner.headers if key is None else {**owner.headers, "Idempotency-Key": key}
    return httpx.post(f"{v1 or owner.v1}{path}", json=body, headers=headers, timeout=60)


def data_uri(seconds: float = 10) -> str:
    return f"data:audio/wav;base64,{base64.b64encode(wav(seconds)).decode()}"
