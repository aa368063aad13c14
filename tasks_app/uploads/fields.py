"""The fields of an upload beside its file, as text of a form and as what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from contract import limits, strict_json
from contract.errors import ApiError, FieldError
from contract.invalid import invalid_fields
from contract.json_pointer import pointer
from tasks_app.models import Purpose
from tasks_app.uploads.sniff import Sniffed

NAMES: Final = ("purpose", "media_type", "metadata")
MEDIA_TYPES: Final = ("image", "audio", "video")
MOST_KEY_CHARACTERS: Final = 64
MOST_VALUE_CHARACTERS: Final = 512


@dataclass(frozen=True, slots=True)
class Fields:
    """What the caller says of the file. `media_type` is empty where he leaves it to the bytes."""

    purpose: str
    media_type: str
    metadata: dict[str, str]

    def check(self, sniffed: Sniffed) -> None:
        """Raises ApiError invalid_request where the bytes are something else than was said."""
        if self.media_type and sniffed.media_type != self.media_type:
            raise _one("/media_type", f"does not fit the file, which is {sniffed.mime_type}")
        if self.purpose == Purpose.REFERENCE_AUDIO and sniffed.media_type != "audio":
            raise _one("/purpose", f"needs audio, and the file is {sniffed.mime_type}")


def read(fields: Mapping[str, str]) -> Fields:
    """The fields of a form; one that is empty is not given. Raises ApiError invalid_request."""
    purpose, media_type = fields.get("purpose") or Purpose.MEDIA_INPUT.value, fields.get("media_type", "")
    errors: list[FieldError] = []
    if purpose not in Purpose.values:
        errors.append({"param": "/purpose", "message": f"must be one of {', '.join(Purpose.values)}"})
    if media_type and media_type not in MEDIA_TYPES:
        errors.append({"param": "/media_type", "message": f"must be one of {', '.join(MEDIA_TYPES)}"})
    metadata = _metadata(fields.get("metadata", ""), errors)
    if errors:
        raise invalid_fields(errors)
    return Fields(purpose, media_type, metadata)


def _metadata(text: str, errors: list[FieldError]) -> dict[str, str]:
    if not text.strip():
        return {}
    try:
        given: dict[str, Any] = strict_json.loads(text.encode())
    except ApiError:
        errors.append({"param": "/metadata", "message": "must be a JSON object"})
        return {}
    metadata = {name: value for name, value in given.items() if value is not None}
    if len(metadata) > limits.METADATA:
        errors.append({"param": "/metadata", "message": f"must have at most {limits.METADATA} pairs"})
    for name, value in list(metadata.items())[: limits.METADATA]:
        param = pointer(["metadata", name[: MOST_KEY_CHARACTERS + 1]])
        if len(name) > MOST_KEY_CHARACTERS:
            errors.append({"param": param, "message": f"must have a name of at most {MOST_KEY_CHARACTERS} characters"})
        elif not isinstance(value, str):
            errors.append({"param": param, "message": "must be a string"})
        elif len(value) > MOST_VALUE_CHARACTERS:
            errors.append({"param": param, "message": f"must have at most {MOST_VALUE_CHARACTERS} characters"})
    return metadata


def _one(param: str, message: str) -> ApiError:
    return invalid_fields([{"param": param, "message": message}])
