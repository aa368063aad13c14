"""`POST /minimax/v1/music_generation`: the call lasts until the song is there, and its refusals are HTTP 200.

`key` is the only bearer token it takes (None: any, but not none), `song_ms` how long a song takes.
"""

from __future__ import annotations

import secrets
import time
from typing import Any

from beatra_site.sandbox.control import Control
from beatra_site.sandbox.exchange import Exchange
from beatra_site.sandbox.minimax.refusals import MESSAGES, Refusal, base_resp
from beatra_site.sandbox.minimax.request import MusicRequest, read
from beatra_site.sandbox.music import lyricist
from beatra_site.sandbox.music.song import Order
from beatra_site.sandbox.music.studio import Studio
from beatra_site.sandbox.music_call import MusicCall, Records, bare
from beatra_site.sandbox.wire import garbage_body


class MiniMaxProvider:
    """One provider."""

    def __init__(self, *, control: Control | None, key: str | None, song_ms: float, studio: Studio) -> None:
        self._records = Records(control)
        self._faults = control is not None
        self._key = key
        self._song_ms = song_ms
        self._studio = studio

    async def __call__(self, exchange: Exchange) -> None:
        """Answers one request below `/minimax`."""
        if (exchange.method, exchange.path.rstrip("/")) != ("POST", "/minimax/v1/music_generation"):
            await exchange.json(404, {"error": "404 page not found"})
            return
        async with self._records.call(exchange) as call:
            body = await call.body()
            try:
                await self._answer(call, body)
            except Refusal as refusal:
                await call.refuse({"trace_id": secrets.token_hex(16), **base_resp(refusal.code, refusal.message)})

    async def _answer(self, call: MusicCall, body: bytes) -> None:
        if call.call.key is None:
            raise Refusal(1004)
        if self._key is not None and call.call.key != self._key:
            raise Refusal(2049)
        request = read(body)
        call.call.model = request.model
        call.directed((request.prompt, request.lyrics))
        fault = call.fault
        await call.reach("start")
        if await call.garbled():
            return
        if fault.base_resp is not None and fault.base_resp != 1027:
            raise Refusal(fault.base_resp, fault.message or MESSAGES.get(fault.base_resp, ""))
        request.check()
        reference = await request.reference()
        prompt, lyrics = (bare(text, directives=self._faults) for text in (request.prompt, request.lyrics))
        generation = self._records.begin(call, provider="minimax", prompt=request.prompt, cover=request.cover)
        if request.lyrics_optimizer and not lyrics:
            lyrics = lyricist.write(prompt)
        order = Order(prompt, "" if request.is_instrumental else lyrics, reference=reference.digest if reference else "")
        await call.reach("generating")
        answer = await self._made(call, request, order)
        await call.reach("answer")
        if fault.base_resp == 1027:
            raise Refusal(1027, fault.message or "")
        await call.json(answer)
        generation.delivered += 1

    async def _made(self, call: MusicCall, request: MusicRequest, order: Order) -> dict[str, Any]:
        """The answer, once the song is made and its time has passed."""
        fault, setting = call.fault, request.audio_setting
        ready_at = time.monotonic() + (self._song_ms if fault.generation_ms is None else fault.generation_ms) / 1000
        song = await self._studio.song(order, sample_rate=setting.sample_rate, bitrate=setting.bitrate)
        await call.wait(max(0.0, ready_at - time.monotonic()))
        return {
            "data": None if fault.garbage == "no_data" else {**self._audio(song, fault.audio), "status": fault.data_status},
            "trace_id": secrets.token_hex(16),
            "analysis_info": None,
            "extra_info": {
                "music_duration": round(self._studio.seconds(order) * 1000),
                "music_sample_rate": setting.sample_rate,
                "music_channel": 2,
                "bitrate": setting.bitrate,
                "music_size": len(song),
            },
            **base_resp(0),
        }

    def _audio(self, song: bytes, wish: str | None) -> dict[str, str]:
        match wish:
            case "missing":
                return {}
            case "empty":
                return {"audio": ""}
            case "html":
                return {"audio": garbage_body("html", code=0)[0].hex()}
            case "half":
                return {"audio": song[: len(song) // 2].hex()}
            case "no_hex":
                return {"audio": "zz" * 1000}
            case _:
                return {"audio": song.hex()}
