"""Which music model makes what is asked for: the one named, or under `auto` the first that can."""

from __future__ import annotations

from catalog import music_models, routing
from catalog.music_models import MusicModel
from contract.errors import ApiError
from tasks_app.music import limits
from tasks_app.music.reference import Checked
from tasks_app.music.schema import AUTO, TextToMusicRequest


def choose(request: TextToMusicRequest, *, allowed: frozenset[str] | None, reference: Checked | None = None) -> MusicModel:
    """The model for `request`, within whose limits it is and that has a route. `allowed` are the key's models, None for all.

    Raises ApiError unsupported_capability (no music model at all is on; all that are take references), unsupported_model (unknown, switched
    off, not allowed), unsupported_option or invalid_request (the request does not fit: under `auto` what is wrong for the closest model),
    model_unavailable (there is no route).
    """
    offered = music_models.music_models()
    if not offered:
        raise ApiError("unsupported_capability", "No music is made here at the moment.")
    models = [model for model in offered if _is_asked(model, request) and (allowed is None or model.id in allowed)]
    if not models:
        raise _unsupported(request.asked)
    found = [(model, _misfits(request, model, reference)) for model in models]
    fitting = [model for model, misfits in found if not misfits]
    if not fitting:
        closest, misfits = min(found, key=lambda pair: _distance(request, pair[1]))
        raise limits.refusal(request, closest, misfits)
    usable = next((model for model in fitting if model.routes), None)
    if usable is None:
        raise routing.unavailable(request.asked)
    return usable


def _is_asked(model: MusicModel, request: TextToMusicRequest) -> bool:
    return model.auto_rank is not None if request.asked == AUTO else model.id == request.asked


def _misfits(request: TextToMusicRequest, model: MusicModel, reference: Checked | None) -> limits.Misfits:
    found = limits.misfits(request, model)
    if reference is not None and (wrong := reference.refusal(model.limits.reference)) is not None:
        found.wrong.append(wrong)
    return found


def _distance(request: TextToMusicRequest, misfits: limits.Misfits) -> tuple[int, int]:
    """How far a model is from taking the request. Among equals what was given and is wrong is nearer than what was not given at all."""
    missing = sum(getattr(request, wrong["param"].removeprefix("/"), "") is None for wrong in misfits.wrong)
    return len(misfits), missing


def _unsupported(asked: str) -> ApiError:
    others = "." if asked == AUTO else f", '{AUTO}' takes whichever can make it."
    message = f"There is no music model '{asked[:100]}' for this key. GET /v1/catalog/models lists those there are{others}"
    return ApiError("unsupported_model", message, param="/model")
