"""What is taken and makes no difference: whoever gave it is told, as he pays all the same."""

from __future__ import annotations

from collections.abc import Iterator

from catalog.music_models import MusicModel
from contract.json_pointer import pointer
from tasks_app.music.schema import TextToMusicRequest


def warnings(request: TextToMusicRequest, model: MusicModel) -> list[dict[str, str]]:
    """Task.warnings of a new task: one for each field of `request`, which fits `model`, that is not used."""
    return [{"code": "ignored", "message": words, "field": pointer(path)} for path, words in _ignored(request, model)]


def _ignored(request: TextToMusicRequest, model: MusicModel) -> Iterator[tuple[tuple[str, ...], str]]:
    if request.instrumental and request.lyrics is not None:
        yield ("lyrics",), "Nobody sings in an instrumental: its lyrics are not used."
    family = model.limits.options_name
    options = request.options.get(family, {})
    if "custom_mode" in model.limits.options and options.get("custom_mode") is not True:
        words = f"Not used without model_options.{family}.custom_mode: true."
        for name in options:
            if name != "custom_mode":
                yield ("model_options", family, name), words
