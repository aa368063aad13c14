"""What a view tells the API document about itself: `@documented(Operation(...))` on its handler method.

Light on purpose, since every web process imports it; `contract/openapi.py` makes the document of it. The first line of the
handler's docstring is the operation's summary, the rest its description: they are read by customers.

    class Wallet(APIView):
        @documented(Operation(id="getWallet", tag="Wallet", status="Preview", answer=WalletAnswer))
        def get(self, request): ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel

from contract.answers import Label
from contract.errors import ERRORS

Handler = TypeVar("Handler", bound=Callable[..., Any])

ORIGIN: Final = "https://beatra.example"
"""Stands for the site's own origin in the committed copies of the document; the served ones have SITE_URL in its place."""

_ALWAYS = ("invalid_request", "headers_too_large", "internal_error", "service_unavailable")
_WITH_A_KEY = ("unauthorized", "invalid_api_key", "tenant_disabled", "forbidden", "rate_limited")
_WITH_A_BODY = ("payload_too_large", "unsupported_media_type")
_WITH_AN_ID = ("not_found",)
_IDEMPOTENT = ("idempotency_conflict", "idempotency_in_progress")


class Example(NamedTuple):
    """One named example: a line about it, and the JSON itself."""

    summary: str
    value: Any


class PathParameter(NamedTuple):
    """What a parameter of the path means, and one that exists."""

    description: str
    example: str


class QueryParameter(NamedTuple):
    """What an optional parameter of the query means, and its JSON Schema."""

    description: str
    schema: Mapping[str, Any]


class Success(NamedTuple):
    """One way of succeeding: a line about it, and its examples."""

    words: str
    examples: Mapping[str, Example] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path.

    `id` is what SDK generators name their method. `status` is the contract's label: Available or Preview. `answer` is the shape of
    the answer, None where there is none (204), `stream` of one event of a 200 that is `text/event-stream`. It is a 200 with
    `answer_words` and `answer_examples`, unless `successes` say by status what else there is. `errors` are the codes of this
    operation alone: those that every operation, every key, every body and every id bring with them are added by `codes`.
    What the fields mean is said by the shapes themselves.
    """

    id: str
    tag: str
    status: Label
    answer: type[BaseModel] | None
    answer_words: str = "The answer."
    answer_examples: Mapping[str, Example] = field(default_factory=dict)
    successes: Mapping[int, Success] = field(default_factory=dict)
    body: type[BaseModel] | None = None
    body_type: str = "application/json"
    is_body_required: bool = True
    body_examples: Mapping[str, Example] = field(default_factory=dict)
    stream: type[BaseModel] | None = None
    stream_examples: Mapping[str, Example] = field(default_factory=dict)
    path_parameters: Mapping[str, PathParameter] = field(default_factory=dict)
    query_parameters: Mapping[str, QueryParameter] = field(default_factory=dict)
    idempotent: bool = False
    errors: tuple[str, ...] = ()

    @property
    def by_status(self) -> Mapping[int, Success]:
        """Every way of succeeding."""
        return self.successes or {200: Success(self.answer_words, self.answer_examples)}

    def codes(self, *, with_key: bool) -> list[str]:
        """Every error code this operation may answer, in the order of the table. Raises ValueError for one that is not in it."""
        codes = {*_ALWAYS, *self.errors}
        for given, more in (
            (with_key, _WITH_A_KEY),
            (self.body is not None, _WITH_A_BODY),
            (self.path_parameters, _WITH_AN_ID),
            (self.idempotent, _IDEMPOTENT),
        ):
            codes.update(more if given else ())
        if unknown := codes - set(ERRORS):
            raise ValueError(f"{self.id}: no such error codes: {sorted(unknown)}")
        return [code for code in ERRORS if code in codes]


def documented(operation: Operation) -> Callable[[Handler], Handler]:
    """Put `operation` on a handler method, where the document's generator finds it."""

    def put(handler: Handler) -> Handler:
        handler.operation = operation  # type: ignore[attr-defined]  # a function takes attributes, its type knows none
        return handler

    return put
