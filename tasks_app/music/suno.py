"""Suno, through a service in the dialect of sunoapi.org and kie.ai: submit, ask how it stands, fetch two clips.

An answer is judged by the `code` in its body, `{"code", "msg", "data"}`, whatever its HTTP status. Files stay there for two weeks. A
callback has to be asked for; it is a nudge at most (tasks_app/music/nudges.py).
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, BinaryIO

from django.conf import settings

from catalog.music_models import MusicRoute
from contract.fetching import INTERNET, Network
from tasks_app.music import suno_record, verdicts
from tasks_app.music.calls import Answer, Patience, ask, fetch_audio, is_address, number
from tasks_app.music.provider import Job, Made, MadeClip, Misconfigured, ProviderError, Reference, Submitted, Unavailable, Working

logger = logging.getLogger(__name__)

OK = 200
ASKING = Patience(read_seconds=30, total_seconds=60)
# A reference of 100 MiB, and a clip of a few minutes
MOVING = Patience(read_seconds=30, total_seconds=300)
LONGEST_TASK_ID = 200

# Of a submit and of an upload. One that is not here failed on their side.
CODES: Mapping[int, Callable[[], ProviderError]] = {
    400: verdicts.wrong,
    422: verdicts.wrong,
    413: verdicts.too_large,  # a text that is too long
    401: partial(Misconfigured, "credentials"),
    403: partial(Misconfigured, "credentials"),
    402: partial(Misconfigured, "balance"),
    429: partial(Misconfigured, "balance"),  # not a rate: out of credits
    404: partial(Misconfigured, "address"),
    505: partial(Misconfigured, "plan"),  # a feature that is switched off
    405: verdicts.overloaded,  # too many requests
    430: verdicts.overloaded,  # too often
    455: verdicts.overloaded,  # maintenance
    408: verdicts.timed_out,
    500: verdicts.failed,
    501: verdicts.failed,  # the generation
    531: verdicts.failed,  # the same, credits given back
}
# Of asking how a work stands. It is not the customer who may have asked wrongly, nor does asking cost anything.
POLL_CODES: Mapping[int, Callable[[], ProviderError]] = {
    401: partial(Misconfigured, "credentials"),
    403: partial(Misconfigured, "credentials"),
    **dict.fromkeys((405, 429, 430, 455, 503), partial(verdicts.overloaded, sent=True)),
    **dict.fromkeys((408, 504), verdicts.timed_out),
    **dict.fromkeys((400, 404, 422), partial(verdicts.failed, counts=False)),
}

# Ours in `model_options`, theirs; each given as it is, in custom mode
_OPTIONS = {
    "negative_tags": "negativeTags",
    "vocal_gender": "vocalGender",
    "style_weight": "styleWeight",
    "weirdness_constraint": "weirdnessConstraint",
    "audio_weight": "audioWeight",
}
_ENDINGS = {"audio/mpeg": "mp3", "audio/wav": "wav", "audio/x-wav": "wav", "audio/flac": "flac", "audio/x-flac": "flac"}


class Suno:
    """A service of Suno's at one address."""

    blocking = False

    def __init__(self, route: MusicRoute, *, asking: Patience = ASKING, moving: Patience = MOVING, network: Network = INTERNET) -> None:
        self._route = route
        self._asking = asking
        self._moving = moving
        self._network = network

    def submit(self, job: Job) -> Submitted | Made:
        """The name of the work. Raises ProviderError."""
        request = self._request(job)
        path = "generate"
        if job.reference is not None:
            path = "generate/upload-cover"
            request["uploadUrl"] = self._reference_url(job.reference)
        answer = self._ask("POST", path, json=request)
        if (refusal := _refusal(answer)) is not None:
            raise refusal
        data = (answer.json or {}).get("data")
        task_id = (data.get("taskId") or data.get("task_id")) if isinstance(data, dict) else None
        if not isinstance(task_id, str) or not task_id.isprintable() or not 0 < len(task_id) <= LONGEST_TASK_ID:
            raise verdicts.failed()
        return Submitted(task_id)

    def poll(self, provider_task_id: str) -> Working | Made:
        """How the work stands. Raises WorkFailed or Refused where it is over without music, another ProviderError where there was no
        answer about it."""
        answer = self._ask("GET", "generate/record-info", params={"taskId": provider_task_id})
        code = _code(answer)
        if code != OK:
            _log(answer)
            raise POLL_CODES.get(answer.status if code is None else code, verdicts.failed)()
        return suno_record.read((answer.json or {}).get("data"))

    def fetch(self, clip: MadeClip, file: BinaryIO) -> None:
        """Writes the bytes of a clip, whatever they are. Raises Unavailable."""
        fetch_audio(clip.url, file, sandbox=self._route.sandbox, patience=self._moving, network=self._network)

    def _ask(self, method: str, path: str, **request: Any) -> Answer:
        url = f"{self._route.base_url}/api/v1/{path}"
        return ask(method, url, api_key=self._route.api_key(), patience=self._asking, **request)

    def _request(self, job: Job) -> dict[str, Any]:
        custom = bool(job.options.get("custom_mode"))
        request: dict[str, Any] = {
            "customMode": custom,
            "instrumental": job.instrumental,
            "model": self._route.upstream_model,
            "callBackUrl": job.callback_url,
        }
        if not custom:
            # Everything else has to be empty then
            return request | {"prompt": job.prompt}
        request |= {"style": job.prompt, "title": job.title}
        if not job.instrumental:
            request["prompt"] = job.lyrics
        return request | {theirs: job.options[ours] for ours, theirs in _OPTIONS.items() if job.options.get(ours) is not None}

    def _reference_url(self, reference: Reference) -> str:
        """Where the service finds the reference: with us, or with its own upload service where that is configured."""
        if self._route.sandbox or not settings.SUNO_UPLOAD_BASE:
            return reference.url
        # Two files of one name would be one file there
        name = f"{secrets.token_hex(16)}.{_ENDINGS.get(reference.mime_type, 'mp3')}"
        try:
            with reference.open() as file:
                answer = ask(
                    "POST",
                    f"{settings.SUNO_UPLOAD_BASE.rstrip('/')}/api/file-stream-upload",
                    api_key=self._route.api_key(),
                    patience=self._moving,
                    data={"uploadPath": "beatra", "fileName": name},
                    files={"file": (name, file, reference.mime_type)},
                )
            return _uploaded(answer)
        except Unavailable as error:
            error.sent = False  # no work was asked for yet
            raise


def _code(answer: Answer) -> int | None:
    """The body's own."""
    return number((answer.json or {}).get("code"))


def _refusal(answer: Answer) -> ProviderError | None:
    code = _code(answer)
    if code == OK:
        return None
    _log(answer)
    return verdicts.of_status(answer.status) if code is None else CODES.get(code, verdicts.failed)()


def _log(answer: Answer) -> None:
    logger.warning("Suno did not do it", extra={"http_status": answer.status, "provider_code": _code(answer)})


def _uploaded(answer: Answer) -> str:
    """The address of an uploaded file. An upload may fail with HTTP 200, `success: false` and, or without, a code."""
    if (refusal := _refusal(answer)) is not None:
        raise refusal
    body = answer.json or {}
    data = body.get("data")
    url = (data.get("downloadUrl") or data.get("fileUrl")) if isinstance(data, dict) else None
    if body.get("success") is False or not is_address(url):
        raise verdicts.failed(sent=False)
    return url
