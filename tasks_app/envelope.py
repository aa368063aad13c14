"""A task as the API shows it (contract/answers' amounts and times): whole, or as the line of a list.

No claim, no route, no try and no name at a provider is in it, and never the bytes of a reference.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from contract.answers import time_text
from tasks_app.models import Artifact, Task
from tasks_app.uploads.serve import link
from wallets import money

EXPANDABLE: Final = ("input", "output", "usage", "billing")
"""What a line of the list leaves out unless it is asked for."""

# In the order a reader expects, which PostgreSQL's JSON does not keep
_INPUT: Final = ("prompt", "lyrics", "title", "instrumental", "model_options")
_REFERENCE: Final = ("type", "artifact_id", "url")
_CLIP: Final = ("title", "lyrics", "tags")
_WARNING: Final = ("code", "message", "field")
_ERROR: Final = ("code", "message", "retryable", "param", "details")


def envelope(task: Task) -> dict[str, Any]:
    """The shape `tasks_app.answers.TaskEnvelope`. Reads the usage record and, once there are clips, the artifacts."""
    return summary(task, expand=EXPANDABLE)


def summary(task: Task, *, expand: Collection[str] = ()) -> dict[str, Any]:
    """The envelope without those of `EXPANDABLE` that are not in `expand`."""
    files = _files(task) if "output" in expand or "usage" in expand else []
    parts: dict[str, Callable[[], dict[str, Any] | None]] = {
        "input": lambda: _input(task),
        "output": lambda: _output(task, files),
        "usage": lambda: _usage(task, files),
        "billing": lambda: _billing(task),
    }

    def part(name: str) -> dict[str, Any]:
        return {name: parts[name]()} if name in expand else {}

    path = f"/v1/tasks/{task.pk}"
    return {
        "object": "task",
        "task_id": task.pk,
        "status": task.status,
        "capability": task.capability,
        "model": task.model_asked,
        "resolved_model": task.model,
        "metadata": task.metadata,
        **part("input"),
        "progress": {"percent": task.percent, "stage": task.stage, "message": task.message or None},
        **part("output"),
        "warnings": [_in_order(warning, _WARNING) for warning in task.warnings],
        "error": None if task.error is None else _in_order(task.error, _ERROR),
        **part("usage"),
        **part("billing"),
        "created_at": time_text(task.created_at),
        "started_at": _time(task.started_at),
        "completed_at": _time(task.completed_at),
        "cancel_requested_at": _time(task.cancel_requested_at),
        "links": {"self": path, "cancel": f"{path}/cancel"},
    }


def _input(task: Task) -> dict[str, Any]:
    reference = task.input.get("reference_audio")
    given = None if reference is None else {name: reference[name] for name in _REFERENCE if name in reference}
    return {**_in_order(task.input, _INPUT), "reference_audio": given}


def _files(task: Task) -> list[Artifact]:
    """Those of the clips, in their order; no query where there are none."""
    if not task.clips:
        return []
    artifacts = {artifact.pk: artifact for artifact in task.artifacts.all()}
    return [artifacts[clip["artifact_id"]] for clip in task.clips]


def _output(task: Task, files: Sequence[Artifact]) -> dict[str, Any] | None:
    if not task.clips:
        return None
    return {"clips": [{**_in_order(clip, _CLIP), "audio": _audio(file)} for clip, file in zip(task.clips, files, strict=True)]}


def _audio(artifact: Artifact) -> dict[str, Any]:
    return {
        "url": link(artifact) if artifact.is_stored else None,
        "artifact_id": artifact.pk,
        "duration_seconds": _seconds(artifact.duration_seconds),
        "mime_type": artifact.mime_type,
        "size_bytes": artifact.size_bytes,
    }


def _usage(task: Task, files: Sequence[Artifact]) -> dict[str, Any]:
    record = task.usage
    lengths = [file.duration_seconds or Decimal(0) for file in files]
    charged, in_usd = money.as_text(record.charged_credits), _in_usd(task, record.charged_credits)
    return {
        "audio_seconds": _seconds(sum(lengths, Decimal(0))),
        "characters": len(task.input.get("prompt") or "") + len(task.input.get("lyrics") or ""),
        "lines": [
            {
                "meter": "task",
                "quantity": 1,
                "unit": "task",
                "billed_amount_credits": charged,
                "billed_amount_credits_usd_reference": in_usd,
            }
        ],
        "credits": charged,
        "credits_usd_reference": in_usd,
    }


def _billing(task: Task) -> dict[str, Any]:
    charged, refunded = task.usage.charged_credits, task.usage.refunded_credits
    return {
        "charged_credits": money.as_text(charged),
        "refunded_credits": money.as_text(refunded),
        "charged_credits_usd_reference": _in_usd(task, charged),
        "refunded_credits_usd_reference": _in_usd(task, refunded),
        "currency": "USD",
    }


def _in_usd(task: Task, credits: Decimal) -> str:
    """At the rate of the charge, so that what is given back shows as what was taken."""
    rate = task.usage.credits_per_usd_rate
    assert rate is not None, "a task is charged before it is there"
    return money.as_text(money.usd_reference(credits, rate=rate))


def _in_order(given: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: given.get(name) for name in names}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else time_text(moment)


def _seconds(length: Decimal | None) -> float | None:
    return None if length is None else float(length)
