"""The models that the stand-in chat provider has."""

from dataclasses import dataclass

from beatra_site.sandbox.errors import ProviderError


@dataclass(frozen=True)
class ModelLimits:
    """What the stand-in knows of a model: its context in tokens, and the temperatures it takes."""

    context_window: int
    temperature_above: float = -1
    temperature_most: float = 2


# By the beginning of the name. `sandbox` is for tests that need more names
MODELS = {
    "MiniMax-": ModelLimits(context_window=204_800, temperature_above=0, temperature_most=1),
    "gpt-": ModelLimits(context_window=128_000),
    "qwen": ModelLimits(context_window=32_768, temperature_most=1.99),
    "claude-": ModelLimits(context_window=1_000_000, temperature_most=1),
    "sandbox": ModelLimits(context_window=128_000),
}
LISTED_MODELS = ("MiniMax-M2.7", "gpt-4o-mini", "qwen-max", "claude-sonnet-5-5", "sandbox")


def limits_of(model: str) -> ModelLimits:
    """What is known of a model. Raises ProviderError 404 for a name that no stand-in has."""
    for beginning, limits in MODELS.items():
        if model.startswith(beginning):
            return limits
    message = f"The model `{model}` does not exist or you do not have access to it."
    raise ProviderError(404, message, param="model", code="model_not_found")
