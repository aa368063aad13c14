"""What the API document says of making music. Its examples can be sent as they are, but for the id of an upload."""

from __future__ import annotations

from typing import Any, Final

from contract.operation import Example, Operation, Success
from tasks_app.answers import TaskEnvelope
from tasks_app.document import QUEUED
from tasks_app.music.schema import ReferenceAudioToMusicRequest, TextToMusicRequest

_ERRORS: Final = (
    "insufficient_balance",
    "spend_limit_reached",
    "unsupported_capability",
    "unsupported_model",
    "unsupported_option",
    "model_unavailable",
)
_PROMPT: Final = "A calm piano piece for a rainy evening"
_ARTIFACT: Final = {"type": "artifact", "artifact_id": "art_01JZ5Q3V8YB6K2N4P7R9T1V3X5"}
_WITH_REFERENCE: Final[dict[str, Any]] = QUEUED | {
    "capability": "reference_audio_to_music",
    "input": QUEUED["input"] | {"reference_audio": {**_ARTIFACT, "url": None}},
}

TEXT_TO_MUSIC: Final = Operation(
    id="createTextToMusic",
    tag="Music",
    status="Preview",
    answer=TaskEnvelope,
    successes={202: Success("The task.", {"queued": Example("A task that was just made", QUEUED)})},
    body=TextToMusicRequest,
    body_examples={
        "instrumental": Example(
            "An instrumental by whichever model can make it",
            {"model": "auto", "prompt": _PROMPT, "instrumental": True, "metadata": {"order": "4711"}},
        ),
        "song": Example(
            "A song with lyrics of one's own",
            {
                "model": "suno-5.5",
                "prompt": "folk, acoustic guitar, warm voice",
                "title": "Rain on the Keys",
                "lyrics": "[Verse]\nRain on the keys of an old piano\n[Chorus]\nPlay it again",
                "model_options": {"suno": {"custom_mode": True, "style_weight": 0.65, "vocal_gender": "f"}},
            },
        ),
        "written lyrics": Example(
            "A song whose lyrics the model writes",
            {
                "model": "minimax-music-2.6",
                "prompt": "An upbeat pop song about the first day of summer",
                "model_options": {"minimax": {"lyrics_optimizer": True}},
            },
        ),
    },
    idempotent=True,
    errors=_ERRORS,
)
REFERENCE_AUDIO_TO_MUSIC: Final = Operation(
    id="createReferenceAudioToMusic",
    tag="Music",
    status="Preview",
    answer=TaskEnvelope,
    successes={202: Success("The task.", {"queued": Example("A task that was just made", _WITH_REFERENCE)})},
    body=ReferenceAudioToMusicRequest,
    body_examples={
        "upload": Example("By an upload", {"model": "auto", "prompt": _PROMPT, "instrumental": True, "reference_audio": _ARTIFACT}),
        "address": Example(
            "By an address",
            {
                "model": "minimax-music-2.6",
                "prompt": "The same tune, slow, by a string quartet",
                "reference_audio": {"type": "url", "url": "https://example.com/theme.mp3"},
            },
        ),
    },
    idempotent=True,
    errors=(*_ERRORS, "not_found"),
)
