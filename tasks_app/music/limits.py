"""Whether a model takes a request: the request's values against the limits of the model's family (catalog/music_limits.py)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from catalog.music_limits import MusicLimits, Option, Span
from catalog.music_models import MusicModel
from contract.errors import ApiError, FieldError
from contract.invalid import MOST_ERRORS, MOST_POINTER_CHARACTERS, invalid_fields, sentence
from contract.json_pointer import pointer
from tasks_app.music.schema import AUTO, TextToMusicRequest

NO_MODEL: Final = "No model takes this request as it is; the closest"
"""How an error begins that tells what one of several models wants."""


@dataclass(slots=True)
class Misfits:
    """Why a model does not take a request: fields or values it does not have, by name, and values beyond its limits."""

    unsupported: dict[str, FieldError] = field(default_factory=dict)
    wrong: list[FieldError] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.unsupported) + len(self.wrong)


def misfits(request: TextToMusicRequest, model: MusicModel) -> Misfits:
    """All that `model` does not take of the request; none if it fits. Of a reference only what goes with it, not the audio."""
    found = Misfits()
    limits = model.limits
    has_reference = request.reference is not None
    for family, options in request.options.items():
        if family != limits.options_name:
            _refuse(found, "model_options", family, words=f"is not taken by {model.id}")
            continue
        for name, value in options.items():
            if (option := limits.options.get(name)) is None:
                _refuse(found, "model_options", family, name, words=f"is not taken by {model.id}")
            elif has_reference and name in limits.reference.refused_options and value is True:
                _refuse(found, "model_options", family, name, words=f"can't be true with a reference for {model.id}")
            elif not _fits(value, option):
                found.wrong.append({"param": pointer(("model_options", family, name)), "message": f"must be {_wanted(option)}"})
    if has_reference and request.instrumental and not limits.reference.instrumental:
        _refuse(found, "instrumental", words=f"can't be true with a reference for {model.id}")
    found.wrong += _wrong_texts(request, limits, has_reference=has_reference, model_id=model.id)
    return found


def refusal(request: TextToMusicRequest, model: MusicModel, found: Misfits) -> ApiError:
    """The error for `found`, not empty: unsupported_option where there is anything the model does not have, else invalid_request."""
    if not found.unsupported:
        refused = invalid_fields(found.wrong[:MOST_ERRORS])
        if request.asked == AUTO:
            refused.message = f"{NO_MODEL}, {model.id}: {refused.message}"
        return refused
    names = list(found.unsupported)[:MOST_ERRORS]
    who = f"The model {model.id} does" if request.asked != AUTO else f"{NO_MODEL}, {model.id}, does"
    return ApiError(
        "unsupported_option",
        " ".join([f"{who} not take {', '.join(names)}.", *([sentence(found.wrong)] if found.wrong else [])]),
        errors=[*found.unsupported.values(), *found.wrong][:MOST_ERRORS],
        details={"unsupported_fields": names},
    )


def _refuse(found: Misfits, *path: str, words: str) -> None:
    found.unsupported[".".join(path)] = {"param": pointer(path)[:MOST_POINTER_CHARACTERS], "message": words}


def _wrong_texts(request: TextToMusicRequest, limits: MusicLimits, *, has_reference: bool, model_id: str) -> Iterator[FieldError]:
    options = request.options.get(limits.options_name, {})
    is_custom = options.get("custom_mode") is True
    prompt, lyrics = (limits.prompt, ""), (limits.lyrics, "")
    if is_custom and limits.prompt_in_custom_mode:
        prompt = limits.prompt_in_custom_mode, " in custom mode"
    if has_reference:
        prompt = (limits.prompt_with_reference, " with a reference") if limits.prompt_with_reference else prompt
        lyrics = (limits.lyrics_with_reference, " with a reference") if limits.lyrics_with_reference else lyrics
    for name, text, (span, where) in (
        ("prompt", request.prompt, prompt),
        ("lyrics", request.lyrics, lyrics),
        ("title", request.title, (limits.title, "")),
    ):
        if text is not None and (words := _length_error(text, span)) is not None:
            yield {"param": f"/{name}", "message": f"{words}{where} for {model_id}"}

    custom_mode, lyrics_optimizer = (f"model_options.{limits.options_name}.{name}" for name in ("custom_mode", "lyrics_optimizer"))
    if "custom_mode" in limits.options:
        if is_custom and request.title is None:
            yield {"param": "/title", "message": f"is required in custom mode for {model_id}"}
        if is_custom and request.lyrics is None and not request.instrumental:
            yield {"param": "/lyrics", "message": f"is required in custom mode for {model_id}, unless instrumental is true"}
        if not is_custom and request.lyrics is not None:
            yield {"param": "/lyrics", "message": f"needs {custom_mode}: true for {model_id}"}
    # With a reference what is sung there is sung again
    is_written = has_reference or options.get("lyrics_optimizer") is True
    if "lyrics_optimizer" in limits.options and request.lyrics is None and not request.instrumental and not is_written:
        yield {"param": "/lyrics", "message": f"is required for {model_id}, unless instrumental or {lyrics_optimizer} is true"}


def _length_error(text: str, span: Span) -> str | None:
    """Why a text of so many characters is none for `span`, as the rest of a sentence."""
    if not text.strip():
        return "must not be empty"
    if len(text) > span.maximum:
        return f"must have at most {span.maximum} characters"
    return f"must have at least {span.minimum} characters" if len(text) < span.minimum else None


def _fits(value: Any, option: Option) -> bool:
    if option.type == "boolean":
        return isinstance(value, bool)
    if option.type == "string":
        if not isinstance(value, str) or (option.choices and value not in option.choices):
            return False
        return option.max_length is None or len(value) <= option.max_length
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    number = Decimal(repr(value))
    is_within = (option.minimum is None or number >= option.minimum) and (option.maximum is None or number <= option.maximum)
    return is_within and (option.step is None or number % option.step == 0)


def _wanted(option: Option) -> str:
    if option.type == "boolean":
        return "true or false"
    if option.choices:
        return f"one of {', '.join(option.choices)}"
    if option.type == "string":
        return f"a string of at most {option.max_length} characters"
    steps = "" if option.step is None else f", in steps of {option.step}"
    return f"a number from {option.minimum} to {option.maximum}{steps}"
