"""The values a body is made of: strict types, `null` for not given, and a plain word for what OpenAI has and beatra does not."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from contract import limits
from contract.invalid import NOT_OFFERED


def _integral(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _whole(value: float) -> float:
    return int(value) if value.is_integer() else value


def _given(value: Any) -> Any:
    return {name: inner for name, inner in value.items() if inner is not None} if isinstance(value, dict) else value


# Outermost, so that a JSON schema still shows the range: in front of an integer, and behind a number of which some providers
# take an integer only
INTEGRAL = BeforeValidator(_integral)
AS_INTEGER = AfterValidator(_whole)

Number = Annotated[float, Field(strict=True)]
Text = Annotated[str, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
JsonObject = dict[str, Any]
# In front of a mapping: what is null in it is not given
WITHOUT_NULLS = BeforeValidator(_given)

MetadataKey = Annotated[str, Field(max_length=64)]
MetadataValue = Annotated[Text, Field(max_length=512)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Field(max_length=limits.METADATA), WITHOUT_NULLS]
"""Pairs of the caller's own."""


class Inner(BaseModel):
    """Anything below the top level: fields we don't know are dropped, never forwarded."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)


def not_offered(*names: str, what: str) -> BeforeValidator:
    """In front of a value, or of an object by its `type`: `names` are OpenAI's, and beatra does not have them (yet).

    `what` ends the sentence "is ...".
    """

    def check(value: Any) -> Any:
        name = value.get("type") if isinstance(value, dict) else value
        if isinstance(name, str) and name in names:
            raise PydanticCustomError(NOT_OFFERED, "is {what}", {"name": name, "what": what})
        return value

    return BeforeValidator(check)
