"""The API below `/suno`. Everything is HTTP 200, and `code` in the body says how it went.

POST /suno/api/v1/generate                       begins a task of two clips
POST /suno/api/v1/generate/upload-cover          the same, of what it fetches from `uploadUrl`
GET  /suno/api/v1/generate/record-info?taskId=   how it stands
GET  /suno/api/v1/generate/credit                what is left to spend
POST /suno/api/file-stream-upload                keeps a file, multipart: file, uploadPath, fileName
GET  /suno/audio/<clip>.mp3, /suno/uploads/<name>  the files; they need no key

`key` is the only bearer token it takes (None: any, but not none). A task takes 1.5 times `song_ms`; `secret` signs callbacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from beatra_site.sandbox.control import Control
from beatra_site.sandbox.exchange import Exchange
from beatra_site.sandbox.music import lyricist
from beatra_site.sandbox.music.reference import FetchError, fetch, measure
from beatra_site.sandbox.music.song import Order
from beatra_site.sandbox.music.studio import Studio
from beatra_site.sandbox.music_call import MusicCall, Records, bare
from beatra_site.sandbox.suno.callbacks import Callbacks
from beatra_site.sandbox.suno.refusals import MESSAGES, Refusal, envelope
from beatra_site.sandbox.suno.requests import MOST_SECONDS, GenerateRequest, read
from beatra_site.sandbox.suno.tasks import Clip, Task, Tasks, new_id
from beatra_site.sandbox.suno.uploads import Uploads, form
from beatra_site.sandbox.wire import garbage_body

CREDITS = 1000


class SunoProvider:
    """One provider."""

    def __init__(self, *, control: Control | None, key: str | None, song_ms: float, studio: Studio, secret: str) -> None:
        self._control = control
        self._records = Records(control)
        self._key = key
        self._song_ms = song_ms
        self._studio = studio
        self._tasks = Tasks()
        self._uploads = Uploads()
        self._callbacks = Callbacks(secret=secret)
        self._background: set[asyncio.Task[None]] = set()

    async def __call__(self, exchange: Exchange) -> None:
        """Answers one request below `/suno`."""
        match exchange.method, exchange.path.rstrip("/").split("/")[2:]:
            case "POST", ["api", "v1", "generate"]:
                await self._judged(exchange, None, self._generate)
            case "POST", ["api", "v1", "generate", "upload-cover"]:
                await self._judged(exchange, None, self._generate)
            case "GET", ["api", "v1", "generate", "record-info"]:
                await self._judged(exchange, "record-info", self._record_info)
            case "GET", ["api", "v1", "generate", "credit"]:
                await self._judged(exchange, "credit", self._credit)
            case "POST", ["api", "file-stream-upload"]:
                await self._judged(exchange, "file-stream-upload", self._upload)
            case "GET", ["audio", name]:
                await self._audio(exchange, name.removesuffix(".mp3"))
            case "GET", ["uploads", name] if data := self._uploads.find(name):
                await exchange.answer(200, data, content_type="application/octet-stream")
            case _:
                await exchange.json(404, envelope(None, code=404, message="Not found"))

    async def _judged(self, exchange: Exchange, name: str | None, answer: Callable[[Exchange, MusicCall, bytes], Awaitable[None]]) -> None:
        """Records a call, looks at its key, and answers a refusal as Suno does."""
        async with self._records.call(exchange, model=name) as call:
            body = await call.body()
            try:
                if call.call.key is None or self._key not in (None, call.call.key):
                    raise Refusal(401)
                await answer(exchange, call, body)
            except Refusal as refusal:
                success = {"success": False} if name == "file-stream-upload" else {}
                await call.refuse({**success, **envelope(None, code=refusal.code, message=refusal.message)})

    async def _failed(self, call: MusicCall) -> bool:
        """Passes the start, and says what the fault wants said instead of an answer. Raises Refusal for its code."""
        await call.reach("start")
        if await call.garbled():
            return True
        if call.fault.code is not None:
            code = int(call.fault.code)
            raise Refusal(code, call.fault.message or MESSAGES.get(code, ""))
        return False

    async def _generate(self, exchange: Exchange, call: MusicCall, body: bytes) -> None:
        cover = exchange.path.rstrip("/").endswith("/upload-cover")
        request = read(body)
        call.call.model = request.model
        call.directed((request.style, request.prompt, request.title))
        if await self._failed(call):
            return
        request.check(cover=cover)
        reference = await self._reference(request.upload_url or "") if cover else ""
        task = self._task(call, request, body, reference=reference, origin=f"http://{exchange.headers.get('host', '')}")
        self._tasks.add(task)
        self._work(task, request.call_back_url)
        await call.reach("answer")
        await call.json(envelope(None if call.fault.garbage == "no_data" else {"taskId": task.task_id}))

    async def _reference(self, url: str) -> str:
        """What is to be covered, as the name that its bytes give it."""
        try:
            data = await fetch(url)
        except FetchError:
            raise Refusal(400, "File fetch failed") from None
        reference = await measure(data)
        if not reference.seconds:
            raise Refusal(400, "The uploaded file is no audio")
        if reference.seconds > MOST_SECONDS:
            raise Refusal(413, "The uploaded audio must not exceed 8 minutes")
        return reference.digest

    def _task(self, call: MusicCall, request: GenerateRequest, body: bytes, *, reference: str, origin: str) -> Task:
        directives = self._control is not None
        wish, lyrics, title = (bare(text, directives=directives) for text in (request.wish, request.lyrics, request.title))
        if not request.custom_mode and not request.instrumental:
            lyrics = lyricist.write(wish)
        orders = [Order(wish, lyrics, take=take, reference=reference) for take in range(max(2, call.fault.clips))]
        task_id = new_id()
        wait_ms = 1.5 * self._song_ms if call.fault.generation_ms is None else call.fault.generation_ms
        said = f"{request.style}\n{request.prompt}" if request.custom_mode else request.prompt
        return Task(
            task_id=task_id,
            origin=origin,
            model=request.model,
            param=body.decode("utf-8", "replace"),
            title=title or " ".join(wish.split()[:4]).title()[:80],
            tags=wish[:200],
            lyrics=lyrics or "[Instrumental]",
            clips=[Clip(new_id(), order, self._studio.seconds(order)) for order in orders],
            total=wait_ms / 1000,
            fault=call.fault,
            marker=call.call.marker,
            generation=self._records.begin(call, provider="suno", prompt=said, cover=bool(reference), task_id=task_id),
        )

    def _work(self, task: Task, callback_url: str) -> None:
        """Lets the task go on by itself: through its gate, if it has one; where a song takes its time, it is made meanwhile."""
        if task.fault.gate is None or task.fault.gate_at != "generating":
            task.released.set()
        else:
            self._behind(self._hold(task, task.fault.gate))
        if task.total and self._control is None:
            self._behind(self._make(task))
        self._callbacks.follow(task, callback_url)

    def _behind(self, work: Awaitable[None]) -> None:
        running = asyncio.ensure_future(work)
        self._background.add(running)
        running.add_done_callback(self._background.discard)

    async def _hold(self, task: Task, name: str) -> None:
        if self._control:
            async with self._control.gate(name).passing() as go_on:
                await go_on.wait()
        task.released.set()

    async def _make(self, task: Task) -> None:
        for clip in task.clips:
            await self._studio.song(clip.order)

    async def _record_info(self, exchange: Exchange, call: MusicCall, _: bytes) -> None:
        task = self._tasks.find(exchange.query.get("taskId", ""))
        call.scripted(task.polls.next() if task else None, marker=task.marker if task else None)
        if await self._failed(call):
            return
        if task is None:
            raise Refusal(400, "taskId does not exist")
        status = task.next_status()
        await call.reach("answer")
        await call.json(envelope(None if call.fault.garbage == "no_data" else task.record(status)))

    async def _credit(self, exchange: Exchange, call: MusicCall, _: bytes) -> None:
        call.scripted()
        if not await self._failed(call):
            await call.json(envelope(CREDITS))

    async def _upload(self, exchange: Exchange, call: MusicCall, body: bytes) -> None:
        call.scripted()
        if await self._failed(call):
            return
        fields = form(exchange.headers.get("content-type", ""), body)
        kept = self._uploads.add(fields, origin=f"http://{exchange.headers.get('host', '')}")
        await call.json({"success": True, **envelope(kept, message="File uploaded successfully")})

    async def _audio(self, exchange: Exchange, clip_id: str) -> None:
        async with self._records.call(exchange, model="file") as call:
            await call.body()
            found = self._tasks.of_clip(clip_id)
            if found is None:
                await exchange.json(404, envelope(None, code=404, message="Not found"))
                return
            task, clip = found
            call.scripted(task.files.next(), marker=task.marker)
            await call.reach("start")
            if await call.garbled():
                return
            data, kind = await self._file(task, clip)
            await call.send(data, content_type=kind)
            task.generation.delivered += 1

    async def _file(self, task: Task, clip: Clip) -> tuple[bytes, str]:
        match task.fault.audio:
            case "html":
                return garbage_body("html", code=0)
            case "empty":
                return b"", "audio/mpeg"
        song = await self._studio.song(clip.order, title=task.title)
        return song[: len(song) // 2] if task.fault.audio == "half" else song, "audio/mpeg"
