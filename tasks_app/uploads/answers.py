"""The shapes of uploads: what is sent, and what is answered."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from contract import limits
from contract.answers import Time, time_text
from tasks_app.models import Artifact
from tasks_app.uploads.fields import MOST_KEY_CHARACTERS, MOST_VALUE_CHARACTERS
from tasks_app.uploads.serve import link

PurposeOfUploads = Literal["media_input", "reference_audio"]
MediaType = Literal["image", "audio", "video"]


class UploadForm(BaseModel):
    """A file and what it is for, as a multipart form. The order of the fields is free; no other fields are taken."""

    model_config = ConfigDict(extra="forbid")

    file: Annotated[
        str,
        Field(
            description=f"The file: 1 byte to {limits.UPLOAD // limits.MIB} MiB. Its own Content-Type does not count.",
            json_schema_extra={"contentMediaType": "application/octet-stream"},
        ),
    ]
    purpose: PurposeOfUploads = Field(default="media_input", description="`reference_audio`: audio for a music task to go by.")
    media_type: MediaType | None = Field(default=None, description="Read off the content. If it is given it must be what the content is.")
    metadata: str | None = Field(
        default=None,
        description=(
            f"A JSON object as text: up to {limits.METADATA} strings of up to {MOST_VALUE_CHARACTERS} characters, "
            f"by names of up to {MOST_KEY_CHARACTERS}. Kept with the upload."
        ),
        json_schema_extra={"contentMediaType": "application/json"},
    )


class UploadAnswer(BaseModel):
    """A file that is kept for the account."""

    object: Literal["artifact"]
    artifact_id: str = Field(examples=["art_01JZ5Q3V8YB6K2N4P7R9T1V3X5"])
    url: str = Field(description="Signed, good for an hour, for whoever has it; ask for the upload again for a new one.")
    media_type: MediaType = Field(description="By the content.")
    mime_type: str = Field(description="By the content.", examples=["audio/mpeg"])
    size_bytes: int = Field(ge=1, le=limits.UPLOAD)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    duration_seconds: float | None = Field(ge=0, description="Of audio; null for the rest, and for audio in WebM.", examples=[24.5])
    purpose: PurposeOfUploads
    filename: str = Field(description="As it was sent, without a path. May be empty.")
    metadata: dict[str, str]
    created_at: Time
    expires_at: Time = Field(description="Then the file goes.")


def as_json(artifact: Artifact) -> dict[str, Any]:
    """An upload in the shape `UploadAnswer`, with a fresh link."""
    seconds = artifact.duration_seconds
    return {
        "object": "artifact",
        "artifact_id": artifact.pk,
        "url": link(artifact),
        "media_type": artifact.media_type,
        "mime_type": artifact.mime_type,
        "size_bytes": artifact.size_bytes,
        "sha256": artifact.sha256,
        "duration_seconds": None if seconds is None else float(seconds),
        "purpose": artifact.purpose,
        "filename": artifact.filename,
        "metadata": artifact.metadata,
        "created_at": time_text(artifact.created_at),
        "expires_at": time_text(artifact.expires_at),
    }
