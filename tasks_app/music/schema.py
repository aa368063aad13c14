"""The bodies of POST /v1/music/text-to-music and /v1/music/reference-audio-to-music: their fields and types.

What their values may be is up to the model: tasks_app/music/limits.py. Types are strict, `null` means not given at every level, unknown
fields are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catalog.music_limits import DATA_URI_BYTES, FAMILIES, Option
from contract import limits
from contract.errors import FieldError
from contract.invalid import invalid_fields, of_pydantic
from contract.strict_types import WITHOUT_NULLS, Flag, Metadata, Text

AUTO: Final = "auto"

ReferenceType = Literal["artifact", "url", "data_uri"]
_FIELD_OF: Final[Mapping[str, str]] = {"artifact": "artifact_id", "url": "url", "data_uri": "data"}


def _shape(option: Option) -> dict[str, Any]:
    # As words: checkers that divide floats would refuse 0.07 as no multiple of 0.01
    steps = "" if option.step is None else f" In steps of {option.step}."
    shape: dict[str, Any] = {"type": option.type, "description": f"{option.description}{steps}"}
    if option.minimum is not None and option.maximum is not None:
        shape |= {"minimum": float(option.minimum), "maximum": float(option.maximum)}
    if option.choices:
        shape["enum"] = list(option.choices)
    if option.max_length is not None:
        shape["maxLength"] = option.max_length
    return shape


_OPTIONS_SHAPE: Final[dict[str, Any]] = {
    "properties": {
        family.options_name: {
            "type": "object",
            "properties": {name: _shape(option) for name, option in family.options.items()},
            "additionalProperties": False,
        }
        for family in FAMILIES.values()
    },
    "maxProperties": 1,
    "additionalProperties": False,
}
Name = Annotated[str, Field(max_length=64)]
FamilyOptions = Annotated[dict[Name, Any], Field(max_length=limits.MODEL_OPTIONS), WITHOUT_NULLS]
ModelOptions = Annotated[dict[Name, FamilyOptions], Field(max_length=limits.MODEL_OPTIONS, json_schema_extra=_OPTIONS_SHAPE), WITHOUT_NULLS]

_PLACES: Final[Mapping[str, str]] = {
    **{family.options_name: "/model_options" for family in FAMILIES.values()},
    **{name: f"/model_options/{family.options_name}" for family in FAMILIES.values() for name in family.options},
}


class TextToMusicRequest(BaseModel):
    """Music by words. Every field but `prompt` is optional, and `null` means not given. How long a text may be is up to the model:
    `limits` of its catalog entry."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    model: Annotated[Text, Field(min_length=1, max_length=128, examples=[AUTO, "suno-5.5"])] | None = None
    """The id of a music model, or `auto`, the default: the first model, in our order, whose limits the request fits."""
    prompt: Annotated[Text, Field(examples=["A calm piano piece for a rainy evening"])]
    """What it is to sound like."""
    lyrics: Text | None = None
    """What is sung."""
    title: Text | None = None
    """What it is called."""
    instrumental: Flag | None = None
    """Whether nobody sings. False by default."""
    metadata: Metadata | None = None
    """Up to 16 pairs of your own, kept on the task and its receipt and never sent to a provider."""
    model_options: ModelOptions | None = None
    """Options of one family of models, by its name: only models of that family take them."""

    @property
    def asked(self) -> str:
        return self.model or AUTO

    @property
    def options(self) -> Mapping[str, Mapping[str, Any]]:
        """By family."""
        return self.model_options or {}

    @property
    def reference(self) -> Mapping[str, str] | None:
        """The audio to go by: its `type`, and what that type needs."""
        return None

    @property
    def as_input(self) -> dict[str, Any]:
        """What Task.input has of it, but the reference."""
        given = self.model_dump(include={"prompt", "lyrics", "title", "model_options"}, exclude_none=True)
        return {**given, "instrumental": bool(self.instrumental)}


class ReferenceAudio(BaseModel):
    """The audio to go by: an artifact of this account, an https URL, or the bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    type: ReferenceType
    """Which of the other fields is given."""
    artifact_id: Text | None = None
    """An upload, or a clip of an earlier task."""
    url: Annotated[Text, Field(examples=["https://example.com/theme.mp3"])] | None = None
    """https only, and of a public address. Fetched when the task runs: what fails there ends the task failed, and refunded."""
    data: Annotated[Text, Field(examples=["data:audio/mpeg;base64,SUQz..."])] | None = Field(
        default=None, description=f"A data URI in base64, of at most {DATA_URI_BYTES // limits.MIB} MiB decoded."
    )


class ReferenceAudioToMusicRequest(TextToMusicRequest):
    """Music by words and by audio. Every field but `prompt` and `reference_audio` is optional, and `null` means not given."""

    reference_audio: ReferenceAudio
    """FLAC, MP3 or WAV. How long and how large is up to the model."""

    @property
    def reference(self) -> Mapping[str, str]:
        return self.reference_audio.model_dump(exclude_none=True)


Asked = TypeVar("Asked", bound=TextToMusicRequest)


def parse(body: Mapping[str, Any], shape: type[Asked]) -> Asked:
    """The request in `body`, parsed JSON. Raises `ApiError` invalid_request, every bad field named."""
    _check_size(body)
    try:
        request = shape.model_validate(body)
    except ValidationError as error:
        raise invalid_fields([_with_its_place(found) for found in of_pydantic(error, body)]) from None
    errors: list[FieldError] = []
    if len(request.options) > 1:
        errors.append({"param": "/model_options", "message": f"must have the options of one family, not of {len(request.options)}"})
    if isinstance(request, ReferenceAudioToMusicRequest):
        errors += _errors_of(request.reference_audio)
    if errors:
        raise invalid_fields(errors)
    return request


def _with_its_place(found: FieldError) -> FieldError:
    """Of an option outside of its family, or a family outside of `model_options`, it is told where that belongs."""
    above, _, name = found["param"].rpartition("/")
    place = _PLACES.get(name)
    if place is None or above == place or above not in ("", "/model_options"):
        return found
    return {"param": found["param"], "message": f"belongs under {place}"}


def _errors_of(reference: ReferenceAudio) -> list[FieldError]:
    """A reference is named in one way."""
    needed = _FIELD_OF[reference.type]
    errors: list[FieldError] = []
    for name in _FIELD_OF.values():
        value = getattr(reference, name)
        if name == needed and value is None:
            errors.append({"param": f"/reference_audio/{name}", "message": "is required"})
        elif name != needed and value is not None:
            errors.append({"param": f"/reference_audio/{name}", "message": f'does not go with the type "{reference.type}"'})
    return errors


def _check_size(body: Mapping[str, Any]) -> None:
    """Millions of small values must not be looked at one by one to be refused."""
    errors: list[FieldError] = []
    for param, value, most in (
        ("", body, limits.INNER),
        ("/metadata", body.get("metadata"), limits.METADATA),
        ("/model_options", body.get("model_options"), limits.MODEL_OPTIONS),
        ("/reference_audio", body.get("reference_audio"), limits.INNER),
    ):
        if isinstance(value, dict) and len(value) > most:
            errors.append({"param": param, "message": f"must have at most {most} items"})
    if errors:
        raise invalid_fields(errors)
