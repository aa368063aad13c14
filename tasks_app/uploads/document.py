"""What the API document says of uploads."""

from __future__ import annotations

from typing import Final

from contract.operation import Example, Operation, PathParameter, Success
from tasks_app.uploads.answers import UploadAnswer, UploadForm

_ID: Final = "art_01JZ5Q3V8YB6K2N4P7R9T1V3X5"
_IDS: Final = {"artifact_id": PathParameter("The upload's `artifact_id`.", _ID)}
_EXAMPLES: Final = {
    "audio": Example(
        "A reference for a music task",
        {
            "object": "artifact",
            "artifact_id": _ID,
            "url": f"https://beatra.example/files/{_ID}.1uQ2aB.Fv6nV1Zc0mXyJ4kq8t2b5w7e9r3u6i8o0p1a2s3d4f5",
            "media_type": "audio",
            "mime_type": "audio/mpeg",
            "size_bytes": 480_653,
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "duration_seconds": 30.04,
            "purpose": "reference_audio",
            "filename": "humming.mp3",
            "metadata": {"take": "2"},
            "created_at": "2026-01-31T12:00:00.000000Z",
            "expires_at": "2026-03-02T12:00:00.000000Z",
        },
    )
}

CREATE_UPLOAD: Final = Operation(
    id="createUpload",
    tag="Uploads",
    status="Preview",
    answer=UploadAnswer,
    answer_words="The upload.",
    answer_examples=_EXAMPLES,
    body=UploadForm,
    body_type="multipart/form-data",
    body_examples={"audio": Example("A reference for a music task", {"file": "@humming.mp3", "purpose": "reference_audio"})},
    idempotent=True,
)
GET_UPLOAD: Final = Operation(
    id="getUpload",
    tag="Uploads",
    status="Preview",
    answer=UploadAnswer,
    answer_words="The upload.",
    answer_examples=_EXAMPLES,
    path_parameters=_IDS,
)
DELETE_UPLOAD: Final = Operation(
    id="deleteUpload",
    tag="Uploads",
    status="Preview",
    answer=None,
    successes={204: Success("It is gone.")},
    path_parameters=_IDS,
)
