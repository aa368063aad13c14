"""What Suno tells the `callBackUrl`: text, first, complete, each when it is so. Signed as kie.ai does; the body is not covered.

Nobody need listen: whatever comes of it is forgotten.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from typing import Any, Final

import aiohttp
import orjson

from beatra_site.sandbox.suno.tasks import STAGES, Task

TYPES = {"TEXT_SUCCESS": "text", "FIRST_SUCCESS": "first", "SUCCESS": "complete"}
_TIMEOUT: Final = aiohttp.ClientTimeout(total=15)
_SNAKE = {
    "audioUrl": "audio_url",
    "sourceAudioUrl": "source_audio_url",
    "streamAudioUrl": "stream_audio_url",
    "sourceStreamAudioUrl": "source_stream_audio_url",
    "imageUrl": "image_url",
    "modelName": "model_name",
}


def signature(secret: str, task_id: str, timestamp: str) -> str:
    """The X-Webhook-Signature of a callback."""
    return base64.b64encode(hmac.new(secret.encode(), f"{task_id}.{timestamp}".encode(), hashlib.sha256).digest()).decode()


class Callbacks:
    """The callbacks on their way. Without a secret they are unsigned."""

    def __init__(self, *, secret: str) -> None:
        self._secret = secret
        self._running: set[asyncio.Task[None]] = set()

    def follow(self, task: Task, url: str) -> None:
        """Tells `url` of the task, in the background."""
        if url.startswith(("http://", "https://")) and task.fault.callbacks != "none" and not task.fault.statuses:
            running = asyncio.create_task(self._tell(task, url))
            self._running.add(running)
            running.add_done_callback(self._running.discard)

    async def _tell(self, task: Task, url: str) -> None:
        stages = [(share * task.total, status) for share, status in STAGES if status in TYPES]
        if task.fault.callbacks == "reversed":
            stages = [(0, status) for _, status in reversed(stages)]
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as client:
            for seconds, status in stages:
                if status != "TEXT_SUCCESS":
                    await task.released.wait()
                await asyncio.sleep(max(0.0, task.began_at + seconds - time.time()))
                for _ in range(2 if task.fault.callbacks == "twice" else 1):
                    await self._post(client, url, task, status)

    async def _post(self, client: aiohttp.ClientSession, url: str, task: Task, status: str) -> None:
        clips = [_snake(task.clip(clip)) for clip in task.listed(status)]
        data = {"callbackType": TYPES[status], "task_id": task.task_id, "data": clips or None}
        body = orjson.dumps({"code": 200, "msg": "All generated successfully.", "data": data})
        headers = {"Content-Type": "application/json"}
        if self._secret and task.fault.callbacks != "unsigned":
            timestamp = str(int(time.time()))
            secret = "forged" if task.fault.callbacks == "forged" else self._secret
            headers |= {"X-Webhook-Timestamp": timestamp, "X-Webhook-Signature": signature(secret, task.task_id, timestamp)}
        try:
            async with client.post(url, data=body, headers=headers, allow_redirects=False):
                pass
        except (aiohttp.ClientError, TimeoutError, ValueError):
            pass


def _snake(clip: dict[str, Any]) -> dict[str, Any]:
    return {_SNAKE.get(name, name): value for name, value in clip.items()}
