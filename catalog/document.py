"""What the API document says of the models and the catalog."""

from __future__ import annotations

from typing import Any, Final

from catalog import music_listing
from catalog.answers import CapabilityList, CatalogModelList, ModelList, ModelSummary
from catalog.music_limits import FAMILIES
from contract.operation import Example, Operation, PathParameter

_AUTO: Final[dict[str, Any]] = {"id": "auto", "object": "model", "created": 1767225600, "owned_by": "beatra"}
_MINIMAX: Final = _AUTO | {"id": "MiniMax-M2.7"}

LIST_MODELS: Final = Operation(
    id="listModels",
    tag="Models",
    status="Preview",
    answer=ModelList,
    answer_words="The models.",
    answer_examples={"models": Example("Two models", {"object": "list", "data": [_AUTO, _MINIMAX]})},
)
GET_MODEL: Final = Operation(
    id="getModel",
    tag="Models",
    status="Preview",
    answer=ModelSummary,
    answer_words="The model.",
    answer_examples={"model": Example("A model", _MINIMAX)},
    path_parameters={"id": PathParameter("The model's id, or `auto`.", "MiniMax-M2.7")},
)

_PRICES: Final = {"input": "450.0000", "cached": "90.0000", "cache_write": "562.5000", "output": "1800.0000", "reasoning": "1800.0000"}
_ENTRY: Final = _MINIMAX | {
    "display_name": "MiniMax M2.7",
    "capabilities": ["chat"],
    "status": "Available",
    "input_modalities": ["text"],
    "output_modalities": ["text"],
    "context_window": 204800,
    "max_output_tokens": 131072,
    "default_output_tokens": 4096,
    "supported_fields": ["stream", "stream_options", "max_tokens", "max_completion_tokens", "n", "temperature", "top_p", "tools"],
    "supported_options": {},
    "pricing": {
        "basis": "litellm_cost",
        "credits_per_litellm_usd": "1500.0000",
        "credits_per_million_tokens": _PRICES,
        "tiers": [],
        "peak_prices": False,
    },
    "auto_rank": 1,
    "limits": {"temperature": {"minimum": 0.01, "maximum": 1.0}},
}
_MUSIC: Final = _AUTO | {
    "id": "minimax-music-2.6",
    "display_name": "MiniMax Music 2.6",
    "capabilities": ["text_to_music", "reference_audio_to_music"],
    "status": "Preview",
    "input_modalities": ["text", "audio"],
    "output_modalities": ["audio"],
    "context_window": None,
    "max_output_tokens": None,
    "default_output_tokens": None,
    "pricing": {"basis": "flat", "credits_per_task": "50.0000", "usd_reference": "0.0500"},
    "auto_rank": 110,
    **music_listing.takes(FAMILIES["minimax_music"]),
}

LIST_CATALOG_MODELS: Final = Operation(
    id="listCatalogModels",
    tag="Models",
    status="Preview",
    answer=CatalogModelList,
    answer_words="The models.",
    answer_examples={"models": Example("A chat model and one of music", {"object": "list", "data": [_ENTRY, _MUSIC]})},
)
LIST_CAPABILITIES: Final = Operation(
    id="listCapabilities",
    tag="Models",
    status="Preview",
    answer=CapabilityList,
    answer_words="The capabilities.",
    answer_examples={
        "capabilities": Example(
            "One capability",
            {
                "object": "list",
                "data": [
                    {
                        "id": "chat",
                        "object": "capability",
                        "display_name": "Chat completions",
                        "label": "Available",
                        "endpoint": "/v1/chat/completions",
                        "models": ["MiniMax-M2.7"],
                    }
                ],
            },
        )
    },
)
