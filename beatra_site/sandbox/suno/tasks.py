"""The tasks that Suno has taken on, how far each is, and how it tells of them."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from beatra_site.sandbox.faults import Fault, Steps
from beatra_site.sandbox.generations import Generation
from beatra_site.sandbox.music.song import Order

# The oldest of more is forgotten
KEPT = 10_000
# At which share of its time a task gets there
STAGES = ((0, "PENDING"), (0.2, "TEXT_SUCCESS"), (0.6, "FIRST_SUCCESS"), (1, "SUCCESS"))
CLIPS_OF = {"FIRST_SUCCESS": 1, "SUCCESS": 10, "CALLBACK_EXCEPTION": 10}
ERRORS = {
    "CREATE_TASK_FAILED": (500, "Create task failed"),
    "GENERATE_AUDIO_FAILED": (501, "Generate audio failed"),
    "CALLBACK_EXCEPTION": (500, "Callback exception"),
    "SENSITIVE_WORD_ERROR": (400, "Song lyrics contained sensitive words"),
}


@dataclass
class Clip:
    """One of the takes of a task."""

    id: str
    order: Order
    seconds: float


@dataclass
class Task:
    """A task. `param` is its request as it came, `total` how long it takes in seconds, `held` whether a gate keeps it from ending."""

    task_id: str
    origin: str
    model: str
    param: str
    title: str
    tags: str
    lyrics: str
    clips: list[Clip]
    total: float
    fault: Fault
    marker: str | None
    generation: Generation
    began_at: float = field(default_factory=time.time)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.polls = Steps(self.fault.poll)
        self.files = Steps(self.fault.file)
        self._statuses = list(self.fault.statuses)

    def next_status(self) -> str:
        """What this poll reads."""
        if self._statuses:
            return self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        passed = time.time() - self.began_at
        reached = [name for share, name in STAGES if passed >= share * self.total]
        return reached[-1] if self.released.is_set() else reached[: STAGES.index((0.6, "FIRST_SUCCESS"))][-1]

    def record(self, status: str) -> dict[str, Any]:
        """The `data` of record-info at this status."""
        code, message = ERRORS.get(status, (None, None))
        clips = [self.clip(clip) for clip in self.listed(status)]
        return {
            "taskId": self.task_id,
            "parentMusicId": "",
            "param": self.param,
            "response": {"taskId": self.task_id, "sunoData": clips} if clips or status in CLIPS_OF else None,
            "status": status,
            "type": "GENERATE",
            "errorCode": self.fault.error_code if self.fault.error_code is not None else code,
            "errorMessage": self.fault.message or message,
            "createTime": int(self.began_at * 1000),
        }

    def listed(self, status: str) -> list[Clip]:
        """The clips that are there at this status."""
        clips = self.clips[: self.fault.clips]
        if self.fault.same_clips:
            clips = clips[:1] * len(clips)
        return clips[: CLIPS_OF.get(status, 0)]

    def clip(self, clip: Clip) -> dict[str, Any]:
        """A clip as record-info has it."""
        url = "" if self.fault.audio == "missing" else f"{self.origin}/suno/audio/{clip.id}.mp3"
        return {
            "id": clip.id,
            "audioUrl": url,
            "sourceAudioUrl": url,
            "streamAudioUrl": url,
            "sourceStreamAudioUrl": url,
            "imageUrl": "",
            "prompt": self.lyrics,
            "modelName": f"chirp-{self.model.lower()}",
            "title": self.title,
            "tags": self.tags,
            "createTime": int(self.began_at * 1000),
            "duration": round(clip.seconds, 2),
        }


class Tasks:
    """The newest tasks and their clips."""

    def __init__(self) -> None:
        self._tasks: OrderedDict[str, Task] = OrderedDict()
        self._clips: dict[str, Task] = {}

    def add(self, task: Task) -> None:
        """Takes a task on."""
        self._tasks[task.task_id] = task
        self._clips.update({clip.id: task for clip in task.clips})
        if len(self._tasks) > KEPT:
            _, oldest = self._tasks.popitem(last=False)
            for clip in oldest.clips:
                del self._clips[clip.id]

    def find(self, task_id: str) -> Task | None:
        return self._tasks.get(task_id)

    def of_clip(self, clip_id: str) -> tuple[Task, Clip] | None:
        """The task and the clip of a file."""
        task = self._clips.get(clip_id)
        return (task, next(clip for clip in task.clips if clip.id == clip_id)) if task else None


def new_id() -> str:
    return uuid.uuid4().hex
