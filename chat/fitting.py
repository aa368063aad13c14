"""What a model gets of a caller's fields: the same request within what it takes."""

from __future__ import annotations

from typing import Any

from catalog.snapshot import ModelInfo

# Providers differ in how large a seed may be; all take one of 31 bits, and the same stays the same
MOST_SEED = 2**31


def fitted(fields: dict[str, Any], model: ModelInfo) -> dict[str, Any]:
    """`fields` within what `model` takes: a temperature below its least is raised to it, a seed is sent to a model that knows seeds."""
    fitted = dict(fields)
    if "temperature" in fitted:
        fitted["temperature"] = max(fitted["temperature"], float(model.temperature_min))
    if "seed" in fitted:
        if "seed" in model.supported_fields:
            fitted["seed"] %= MOST_SEED
        else:
            del fitted["seed"]
    return fitted
