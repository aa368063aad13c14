"""What the API document says of the models."""

from __future__ import annotations

from typing import Any, Final

from catalog.answers import ModelList, ModelSummary
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
