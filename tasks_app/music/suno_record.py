"""Suno's record of a work, the `data` of `record-info`: how far it is, its clips, or why there are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any, Final

from catalog.music_limits import FAMILIES
from tasks_app.music import verdicts
from tasks_app.music.calls import is_address, number
from tasks_app.music.provider import Made, MadeClip, ProviderError, Working

# How far a work is, in percent. One that is not here is asked about again, until the task's deadline.
PERCENT = {"PENDING": 10, "TEXT_SUCCESS": 40, "FIRST_SUCCESS": 75}
UNKNOWN_PERCENT = 5
# Their callback did not reach us, which says nothing about the music
_CALLBACK_FAILED = "CALLBACK_EXCEPTION"
_CALLBACK_FAILED_PERCENT = 80
_FAILED = ("CREATE_TASK_FAILED", "GENERATE_AUDIO_FAILED")
_UNSAFE = "SENSITIVE_WORD_ERROR"

# More than are asked for are taken, but not any number: each is fetched and stored
_MOST_CLIPS: Final = 2 * FAMILIES["suno"].clips

# `errorCode` of a work that failed. One that is not here failed on their side.
ERROR_CODES: Mapping[int, Callable[[], ProviderError]] = {
    400: partial(verdicts.unsafe, sent=True),  # lyrics that are somebody's
    413: partial(verdicts.unsafe, sent=True),  # a reference that is somebody's
    **dict.fromkeys((405, 429, 430, 455), lambda: verdicts.ended(verdicts.overloaded())),
    408: lambda: verdicts.ended(verdicts.timed_out()),
}


def read(data: Any) -> Working | Made:
    """Raises Refused or WorkFailed where the work is over without music."""
    if not isinstance(data, dict):
        # Known a moment later than submitted
        return Working(UNKNOWN_PERCENT)
    status = data.get("status")
    if status == "SUCCESS":
        if clips := _clips(data):
            return Made(clips)
        raise verdicts.ended(verdicts.failed())
    if status == _CALLBACK_FAILED:
        clips = _clips(data)
        return Made(clips) if clips else Working(_CALLBACK_FAILED_PERCENT)
    if status == _UNSAFE:
        raise verdicts.unsafe(sent=True)
    if status in _FAILED:
        code = number(_either(data, "errorCode", "error_code"))
        raise ERROR_CODES.get(code or 0, lambda: verdicts.ended(verdicts.failed()))()
    return Working(PERCENT.get(status, UNKNOWN_PERCENT) if isinstance(status, str) else UNKNOWN_PERCENT)


def _clips(data: Mapping[str, Any]) -> tuple[MadeClip, ...]:
    """Those that have audio, each once; the first `_MOST_CLIPS` of them."""
    response = data.get("response")
    sent = _either(response, "sunoData", "suno_data") if isinstance(response, dict) else None
    by_id: dict[str, MadeClip] = {}
    for clip in sent if isinstance(sent, list) else ():
        if isinstance(clip, dict) and (url := _audio_url(clip)):
            made = MadeClip(title=_text(clip, "title"), lyrics=_text(clip, "prompt"), tags=_text(clip, "tags"), url=url)
            by_id.setdefault(_text(clip, "id") or url, made)
    return tuple(islice({clip.url: clip for clip in by_id.values()}.values(), _MOST_CLIPS))


def _audio_url(clip: Mapping[str, Any]) -> str:
    """The file's address. Those of the streams are of no use later."""
    addresses: Iterator[Any] = (_either(clip, *names) for names in (("audioUrl", "audio_url"), ("sourceAudioUrl", "source_audio_url")))
    return next((address for address in addresses if is_address(address)), "")


def _either(values: Mapping[str, Any], *names: str) -> Any:
    return next((values[name] for name in names if values.get(name)), None)


def _text(clip: Mapping[str, Any], name: str) -> str:
    value = clip.get(name)
    return value.replace("\0", "") if isinstance(value, str) else ""
