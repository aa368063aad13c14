"""Which models and routes may answer a chat request, in the order to try them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from catalog.fields import IMAGES, OPTION_PREFIX, pointer
from catalog.options import wrong_values
from catalog.snapshot import Catalog, ModelInfo, RouteInfo
from contract.errors import ApiError, FieldError
from contract.invalid import MOST_ERRORS, invalid_fields, sentence

AUTO = "auto"
_NONE: Mapping[str, Any] = MappingProxyType({})


def candidates(
    catalog: Catalog,
    asked: str,
    *,
    fields: frozenset[str] = frozenset(),
    allowed: frozenset[str] | None = None,
    temperature: float | Decimal | None = None,
    options: Mapping[str, Any] = _NONE,
) -> list[tuple[ModelInfo, RouteInfo]]:
    """The pairs to try, first to last. Never empty.

    A pinned model stands for itself, by its routes' rank; `auto` walks the chat models in the staff's order that take
    the request's `fields` (`catalog.fields`), its `temperature` and its `options` (`model_options`). `allowed` are the
    key's models, none for all.

    Raises ApiError unsupported_model (unknown, disabled, not a chat model, not allowed), unsupported_option (a field, an
    option or the temperature is not taken: by this model, or under `auto` by any one), invalid_request (the value of an
    option likewise) or model_unavailable (no route is enabled).
    """
    fields |= {OPTION_PREFIX + name for name in options}
    if asked == AUTO:
        models = [model for model in catalog.auto if _permitted(model, allowed)]
        if not models:
            raise _unsupported_model(catalog, asked, allowed)
    else:
        pinned = catalog.models.get(asked)
        if pinned is None or pinned.capability != "chat" or not _permitted(pinned, allowed):
            raise _unsupported_model(catalog, asked, allowed)
        models = [pinned]
    fitting = [model for model in models if not _missing(model, fields, temperature)]
    if not fitting:
        closest = min(models, key=lambda model: len(_missing(model, fields, temperature)))
        raise _unsupported_option(
            closest, asked, _missing(closest, fields, temperature), wrong=wrong_values(options, shapes=closest.model_options)
        )
    wrong = {model.id: wrong_values(options, shapes=model.model_options) for model in fitting} if options else {}
    if wrong and all(wrong.values()):
        raise invalid_fields(min(wrong.values(), key=len)[:MOST_ERRORS])
    pairs = [(model, route) for model in fitting if not wrong.get(model.id) for route in model.routes]
    if not pairs:
        raise unavailable(asked)
    return pairs


def unavailable(asked: str) -> ApiError:
    """model_unavailable: there is no route to `asked` that can be used now."""
    return ApiError("model_unavailable", None if asked == AUTO else f"The model {asked} is unavailable at the moment. Try '{AUTO}'.")


def callable_models(catalog: Catalog, *, allowed: frozenset[str] | None = None, scopes: frozenset[str] | None = None) -> list[ModelInfo]:
    """The chat models that a key may use now, in the order of `auto`."""
    return [model for model in usable_models(catalog, allowed=allowed, scopes=scopes) if model.capability == "chat"]


def usable_models(catalog: Catalog, *, allowed: frozenset[str] | None = None, scopes: frozenset[str] | None = None) -> list[ModelInfo]:
    """The models of every capability that a key may use now: allowed, and with a route. In the order of `auto`.

    `scopes` are the key's capabilities, none for all.
    """
    return [
        model
        for model in catalog.models.values()
        if _permitted(model, allowed) and (scopes is None or model.capability in scopes) and model.is_usable
    ]


def _permitted(model: ModelInfo, allowed: frozenset[str] | None) -> bool:
    return allowed is None or model.id in allowed


def _missing(model: ModelInfo, fields: frozenset[str], temperature: float | Decimal | None) -> list[str]:
    missing = model.lacks(fields)
    if temperature is not None and temperature > model.temperature_max and "temperature" not in missing:
        missing.append("temperature")
    return missing


def _unsupported_option(model: ModelInfo, asked: str, missing: list[str], *, wrong: list[FieldError]) -> ApiError:
    """What `model` does not take, and what is `wrong` beside it: who mends one shall not meet the other at the next call."""
    missing = missing[:MOST_ERRORS]
    who = f"The model {model.id} does not take" if asked != AUTO else "No model takes this request as it is; closest is one without"
    names = ", ".join(_in_words(name, model)[0] for name in missing)
    errors: list[FieldError] = [{"param": pointer(name), "message": _in_words(name, model)[1]} for name in missing]
    return ApiError(
        "unsupported_option",
        " ".join([f"{who} {names}.", *([sentence(wrong)] if wrong else [])]),
        errors=[*errors, *wrong][:MOST_ERRORS],
        details={"unsupported_fields": missing},
    )


def _in_words(name: str, model: ModelInfo) -> tuple[str, str]:
    """What of a request `model` does not take, and the rest of a sentence about the field."""
    if name == "temperature" and name in model.supported_fields:
        most = f"{model.temperature_max.normalize():f}"
        return f"a temperature above {most}", f"must be at most {most} for {model.id}"
    if name == IMAGES:
        return "images", f"has images, which {model.id} does not take"
    return name, f"is not taken by {model.id}"


def _unsupported_model(catalog: Catalog, asked: str, allowed: frozenset[str] | None) -> ApiError:
    message = f"There is no model '{asked[:100]}' for this key."
    if meant := _meant(asked, (model.id for model in callable_models(catalog, allowed=allowed))):
        message += f" Did you mean '{meant}'?"
    message += " GET /v1/models lists those there are" + ("." if asked == AUTO else f", '{AUTO}' takes whichever can answer.")
    return ApiError("unsupported_model", message, param="/model")


def _meant(asked: str, ids: Iterable[str]) -> str | None:
    """The model that is `asked` in another case, or with a provider in front, as other gateways name them."""
    names = (asked.casefold(), asked.rpartition("/")[2].casefold())
    return next((known for known in [AUTO, *ids] if known.casefold() in names and known != asked), None)
