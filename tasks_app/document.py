"""What the API document says of tasks."""

from __future__ import annotations

from typing import Any, Final, get_args

from contract import limits
from contract.operation import Example, Operation, PathParameter, QueryParameter, Success
from tasks_app.answers import CapabilityOfTasks, Status, TaskCancel, TaskEnvelope, TaskList

_ID: Final = "tsk_01JZ5Q3V8YB6K2N4P7R9T1V3X5"
_TIME: Final = {"type": "string", "format": "date-time"}
_PATH: Final = {"task_id": PathParameter("The `task_id` of a task.", _ID)}
_LEFT_OUT: Final = ("input", "output", "usage", "billing")

QUEUED: Final[dict[str, Any]] = {
    "object": "task",
    "task_id": _ID,
    "status": "queued",
    "capability": "text_to_music",
    "model": "auto",
    "resolved_model": "suno-5.5",
    "metadata": {"order": "4711"},
    "input": {
        "prompt": "A calm piano piece for a rainy evening",
        "lyrics": None,
        "title": None,
        "instrumental": True,
        "model_options": None,
        "reference_audio": None,
    },
    "progress": {"percent": 0, "stage": "queued", "message": None},
    "output": None,
    "warnings": [],
    "error": None,
    "usage": {
        "audio_seconds": 0.0,
        "characters": 38,
        "lines": [
            {
                "meter": "task",
                "quantity": 1,
                "unit": "task",
                "billed_amount_credits": "80.0000",
                "billed_amount_credits_usd_reference": "0.0800",
            }
        ],
        "credits": "80.0000",
        "credits_usd_reference": "0.0800",
    },
    "billing": {
        "charged_credits": "80.0000",
        "refunded_credits": "0.0000",
        "charged_credits_usd_reference": "0.0800",
        "refunded_credits_usd_reference": "0.0000",
        "currency": "USD",
    },
    "created_at": "2026-01-31T12:00:00.000000Z",
    "started_at": None,
    "completed_at": None,
    "cancel_requested_at": None,
    "links": {"self": f"/v1/tasks/{_ID}", "cancel": f"/v1/tasks/{_ID}/cancel"},
}
"""The example of a task that was just created."""

_RUNNING: Final = QUEUED | {
    "status": "running",
    "progress": {"percent": 40, "stage": "generating", "message": None},
    "started_at": "2026-01-31T12:00:01.000000Z",
}
_REFUNDED: Final = {
    "billing": QUEUED["billing"] | {"refunded_credits": "80.0000", "refunded_credits_usd_reference": "0.0800"},
    "progress": {"percent": 0, "stage": "done", "message": None},
    "completed_at": "2026-01-31T12:02:00.000000Z",
}
_CLIP: Final = {
    "title": "Rain on the Keys",
    "lyrics": "",
    "tags": "piano, calm",
    "audio": {
        "url": "https://beatra.example/files/eyJhIjoiYXJ0XzAxSlo1UTNWOFlCNksyTjRQN1I5VDFWM1g2In0",
        "artifact_id": "art_01JZ5Q3V8YB6K2N4P7R9T1V3X6",
        "duration_seconds": 184.2,
        "mime_type": "audio/mpeg",
        "size_bytes": 2947200,
    },
}
_SUCCEEDED: Final = _RUNNING | {
    "status": "succeeded",
    "progress": {"percent": 100, "stage": "done", "message": None},
    "output": {"clips": [_CLIP]},
    "usage": QUEUED["usage"] | {"audio_seconds": 184.2},
    "completed_at": "2026-01-31T12:02:00.000000Z",
}
_FAILED: Final = (
    _RUNNING
    | {
        "status": "failed",
        "error": {
            "code": "upstream_timeout",
            "message": "The provider did not answer in time.",
            "retryable": True,
            "param": None,
            "details": None,
        },
    }
    | _REFUNDED
)
_CANCELED: Final = QUEUED | {"status": "canceled"} | _REFUNDED

GET_TASK: Final = Operation(
    id="getTask",
    tag="Tasks",
    status="Preview",
    answer=TaskEnvelope,
    answer_words="The task.",
    answer_examples={
        "running": Example("A task that is worked on", _RUNNING),
        "succeeded": Example("A task that made a piece of music", _SUCCEEDED),
        "failed": Example("A task that failed and was refunded", _FAILED),
    },
    path_parameters=_PATH,
)
LIST_TASKS: Final = Operation(
    id="listTasks",
    tag="Tasks",
    status="Preview",
    answer=TaskList,
    answer_words="A page of tasks.",
    answer_examples={
        "last page": Example(
            "The last page",
            {
                "object": "list",
                "data": [{name: value for name, value in _SUCCEEDED.items() if name not in _LEFT_OUT}],
                "next_cursor": None,
                "has_more": False,
            },
        )
    },
    query_parameters={
        "status": QueryParameter("Only tasks of this status.", {"type": "string", "enum": list(get_args(Status))}),
        "capability": QueryParameter("Only tasks of this capability.", {"type": "string", "enum": list(get_args(CapabilityOfTasks))}),
        "created_after": QueryParameter("Only tasks created after this moment.", _TIME),
        "created_before": QueryParameter("Only tasks created before this moment.", _TIME),
        "limit": QueryParameter(
            "How many tasks a page has at most.",
            {"type": "integer", "minimum": 1, "maximum": limits.LONGEST_PAGE, "default": limits.PAGE},
        ),
        "cursor": QueryParameter("The `next_cursor` of the page before, in the same `order`.", {"type": "string"}),
        "order": QueryParameter(
            "By `created_at`: the newest or the oldest first.", {"type": "string", "enum": ["desc", "asc"], "default": "desc"}
        ),
        "expand": QueryParameter(
            "What to add to each task, a comma list of `input`, `output`, `usage`, `billing`, or `all`.",
            {"type": "string", "pattern": "^(input|output|usage|billing|all)(,(input|output|usage|billing|all))*$"},
        ),
    },
)
CANCEL_TASK: Final = Operation(
    id="cancelTask",
    tag="Tasks",
    status="Preview",
    answer=TaskEnvelope,
    successes={
        200: Success("The task was queued; it is canceled and refunded.", {"canceled": Example("A task that was queued", _CANCELED)}),
        202: Success(
            "The task runs; it will end canceled and refunded.",
            {"asked to": Example("A task that was running", _RUNNING | {"cancel_requested_at": "2026-01-31T12:01:00.000000Z"})},
        ),
    },
    body=TaskCancel,
    is_body_required=False,
    body_examples={"with a reason": Example("A reason of your own", {"reason": "The customer has left."})},
    path_parameters=_PATH,
    idempotent=True,
    errors=("task_already_terminal",),
)
