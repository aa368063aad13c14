"""The answers of the models and catalog endpoints."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field
from typing_extensions import TypeAliasType

from contract.answers import Count, Credits, CreditsPerUsd, Label, UsdReference

CapabilityId = Literal["chat", "text_to_music", "reference_audio_to_music"]
Modality = Literal["text", "image", "audio"]
ModelId = Annotated[str, Field(examples=["MiniMax-M2.7"])]
CreditsPerMillion = Annotated[str, Field(pattern=r"^\d+\.\d{4,}$", examples=["450.0000"])]
"""Exact: four places, and more where the price has more."""


# OpenAI's list


class ModelSummary(BaseModel):
    """A model in OpenAI's shape."""

    id: ModelId
    object: Literal["model"]
    created: int = Field(description="When it was added, in seconds since 1970.")
    owned_by: Literal["beatra"]


class ModelList(BaseModel):
    """The chat models that this key may call now, `auto` first."""

    object: Literal["list"]
    data: list[ModelSummary]


# The catalog


class TokenPrices(BaseModel):
    """Credits for a million tokens of each class. A class without a price of its own has that of its kind."""

    input: CreditsPerMillion = Field(description="Of the prompt, where no other class applies.")
    cached: CreditsPerMillion = Field(description="Of the prompt, read from the provider's cache.")
    cache_write: CreditsPerMillion = Field(description="Of the prompt, written to the provider's cache.")
    output: CreditsPerMillion
    reasoning: CreditsPerMillion = Field(description="Of the output, spent on thinking.")


class PriceTier(BaseModel):
    """What counts for a whole call instead, once its prompt is longer."""

    above_prompt_tokens: Count
    credits_per_million_tokens: TokenPrices


class TokenPricing(BaseModel):
    """The price of a call is LiteLLM's cost of it in USD, times `credits_per_litellm_usd`, rounded half up to four places.

    The prices by class are those of the route that is tried first; each receipt names what was charged.
    """

    basis: Literal["litellm_cost"]
    credits_per_litellm_usd: CreditsPerUsd
    credits_per_million_tokens: TokenPrices
    tiers: list[PriceTier] = Field(description="Empty where prompts of every length cost the same.")
    peak_prices: bool = Field(description="The price goes by the hour: those shown are of peak hours, at others a call costs less.")


class FlatPricing(BaseModel):
    """A fixed price for each task."""

    basis: Literal["flat"]
    credits_per_task: Credits
    usd_reference: UsdReference = Field(description="The price in USD at the wallet's rate, for display only.")


Pricing = TypeAliasType("Pricing", Annotated[TokenPricing | FlatPricing, Field(discriminator="basis")])


class Range(BaseModel):
    minimum: float
    maximum: float


class ModelOption(BaseModel):
    """A setting of this model alone, sent in `model_options`; with music in the object there that `limits.options_name` names."""

    type: Literal["string", "boolean", "integer", "number"]
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = Field(None, description="Of a number: its value is a multiple of it.")
    max_length: Count | None = Field(None, description="Of a text: the most characters.")
    choices: list[str | int | float] | None = None
    description: str | None = None


class Span(BaseModel):
    """Both included."""

    minimum: Count
    maximum: Count


class ReferenceLimits(BaseModel):
    """What a reference may be, by its content."""

    mime_types: list[str]
    seconds: Span
    max_bytes: Count
    not_with: list[str] = Field(description="Fields and options that can't be had with a reference.")


class Limits(BaseModel):
    """What is absent does not apply to the model. Lengths of texts are in characters."""

    temperature: Range | None = Field(None, description="A lower value is raised to the minimum, a higher one is refused.")
    images: Count | None = Field(None, description="The most images of one request.")
    tokens_per_image: Count | None = Field(None, description="What an image counts in quotes and holds.")
    prompt: Span | None = None
    prompt_in_custom_mode: Span | None = Field(None, description="Where it is not that of `prompt`.")
    prompt_with_reference: Span | None = Field(None, description="Where it is not that of `prompt`.")
    lyrics: Span | None = None
    lyrics_with_reference: Span | None = Field(None, description="Where it is not that of `lyrics`.")
    title: Span | None = None
    reference_audio: ReferenceLimits | None = None
    options_name: str | None = Field(None, description="The name under which `model_options` takes the model's own.", examples=["suno"])
    clips: Count | None = Field(None, description="How many pieces of music a task makes.")


class CatalogModel(ModelSummary):
    """A model with all there is to know before calling it."""

    display_name: str
    capabilities: list[CapabilityId]
    status: Label
    input_modalities: list[Modality]
    output_modalities: list[Modality]
    context_window: Count | None = Field(description="Tokens of prompt and output together.")
    max_output_tokens: Count | None
    default_output_tokens: Count | None = Field(description="The output limit of a request that gives none.")
    supported_fields: list[str] = Field(description="The optional fields of a request that this model takes.")
    supported_options: dict[str, ModelOption] = Field(description="By name, what it takes in `model_options`.")
    pricing: Pricing
    auto_rank: int | None = Field(description="Its place in the order of `auto`, lowest first; null keeps it out.")
    limits: Limits


class CatalogModelList(BaseModel):
    """Every model that this key may use, of every capability, in the order of `auto` and then of ids."""

    object: Literal["list"]
    data: list[CatalogModel]


class Capability(BaseModel):
    """Something that can be done here, where, and with which models."""

    id: CapabilityId
    object: Literal["capability"]
    display_name: str
    label: Label
    endpoint: str = Field(examples=["/v1/chat/completions"])
    models: list[ModelId] = Field(description="Ids of `/v1/catalog/models`.")


class CapabilityList(BaseModel):
    object: Literal["list"]
    data: list[Capability]
