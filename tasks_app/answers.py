"""The answers of the tasks endpoints, and of those that create tasks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.answers import Count, Credits, Time, UsdReference

Status = Literal["queued", "running", "succeeded", "failed", "canceled"]
CapabilityOfTasks = Literal["text_to_music", "reference_audio_to_music"]
Seconds = Annotated[float, Field(ge=0, examples=[24.5])]


class TaskReference(BaseModel):
    """The reference audio as it was named; the bytes of a `data_uri` are not shown."""

    type: Literal["artifact", "url", "data_uri"]
    artifact_id: str | None = Field(default=None, examples=["art_01JZ5Q3V8YB6K2N4P7R9T1V3X5"])
    url: str | None = None


class TaskInput(BaseModel):
    """The request. Null is what was not given."""

    prompt: str | None
    lyrics: str | None
    title: str | None
    instrumental: bool | None
    model_options: dict[str, Any] | None
    reference_audio: TaskReference | None


class TaskProgress(BaseModel):
    """How far the task has come."""

    percent: Annotated[int, Field(ge=0, le=100)]
    stage: Literal["queued", "preparing", "generating", "saving", "done"]
    message: str | None


class ClipAudio(BaseModel):
    """A file that the task made."""

    url: str | None = Field(description="Signed, good for an hour; ask for the task again for a new one. Null once the file is gone.")
    artifact_id: str = Field(examples=["art_01JZ5Q3V8YB6K2N4P7R9T1V3X5"])
    duration_seconds: Seconds | None
    mime_type: str = Field(examples=["audio/mpeg"])
    size_bytes: Count


class Clip(BaseModel):
    """One piece of music."""

    title: str | None
    lyrics: str | None
    tags: str | None
    audio: ClipAudio


class TaskOutput(BaseModel):
    """What the task made."""

    clips: list[Clip]


class TaskWarning(BaseModel):
    """What was not done quite as asked for."""

    code: str
    message: str
    field: str | None = Field(description="A JSON Pointer into the request.")


class TaskError(BaseModel):
    """Why the task failed."""

    code: str = Field(description="One of `ErrorCode`.", examples=["upstream_timeout"])
    message: str
    retryable: bool = Field(description="Whether the same request may succeed as a new task.")
    param: str | None = Field(description="A JSON Pointer into the request.")
    details: dict[str, Any] | None


class TaskUsageLine(BaseModel):
    """One thing that was charged for."""

    meter: str = Field(examples=["task"])
    quantity: Annotated[int, Field(ge=0)]
    unit: str = Field(examples=["task"])
    billed_amount_credits: Credits
    billed_amount_credits_usd_reference: UsdReference


class TaskUsage(BaseModel):
    """What was used, and what it was charged. What was given back stands in `billing`."""

    audio_seconds: Seconds = Field(description="The length of all clips.")
    characters: Count = Field(description="Of the prompt and the lyrics.")
    lines: list[TaskUsageLine]
    credits: Credits = Field(description="The charge.")
    credits_usd_reference: UsdReference


class TaskBilling(BaseModel):
    """The money of the task. One that failed or was canceled is refunded in full."""

    charged_credits: Credits
    refunded_credits: Credits
    charged_credits_usd_reference: UsdReference
    refunded_credits_usd_reference: UsdReference
    currency: Literal["USD"] = Field(description="Of the references.")


class TaskLinks(BaseModel):
    """Paths on this host."""

    self: str = Field(examples=["/v1/tasks/tsk_01JZ5Q3V8YB6K2N4P7R9T1V3X5"])
    cancel: str = Field(examples=["/v1/tasks/tsk_01JZ5Q3V8YB6K2N4P7R9T1V3X5/cancel"])


class TaskSummary(BaseModel):
    """A task as a list shows it. `input`, `output`, `usage` and `billing` are there if `expand` names them."""

    object: Literal["task"]
    task_id: str = Field(examples=["tsk_01JZ5Q3V8YB6K2N4P7R9T1V3X5"])
    status: Status = Field(description="The last three are final.")
    capability: CapabilityOfTasks
    model: str = Field(description="As asked for.", examples=["auto"])
    resolved_model: str = Field(description="The model that does it.", examples=["suno-5.5"])
    metadata: dict[str, str]
    input: TaskInput | None = None
    progress: TaskProgress
    output: TaskOutput | None = Field(default=None, description="Null until the task has succeeded.")
    warnings: list[TaskWarning]
    error: TaskError | None = Field(description="Null unless the task failed.")
    usage: TaskUsage | None = None
    billing: TaskBilling | None = None
    created_at: Time
    started_at: Time | None
    completed_at: Time | None
    cancel_requested_at: Time | None = Field(description="From then on the task ends canceled, whatever the provider delivers.")
    links: TaskLinks


class TaskEnvelope(TaskSummary):
    """A task."""

    input: TaskInput
    output: TaskOutput | None = Field(description="Null until the task has succeeded.")
    usage: TaskUsage
    billing: TaskBilling


class TaskCancel(BaseModel):
    """Why a task is canceled. The whole body may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Annotated[str, Field(strict=True, max_length=500)] | None = Field(
        default=None, description="For yourself: it is kept with the task and does nothing.", examples=["The customer has left."]
    )


class TaskList(BaseModel):
    """A page of tasks."""

    object: Literal["list"]
    data: list[TaskSummary]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page. Null on the last one.")
    has_more: bool
