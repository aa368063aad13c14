"""DRF's two choices by header, made once: what goes out is JSON whatever `Accept` says, what comes in is strict JSON."""

from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser

from contract import strict_json


class JsonOnly(BaseContentNegotiation):
    """`DEFAULT_CONTENT_NEGOTIATION_CLASS`: the first parser of the body's type, and always the first renderer.

    Without it `Accept: text/html` is a 406, for which the contract has no row.
    """

    def select_parser(self, request: Any, parsers: list[Any]) -> Any:
        """The parser for the request's Content-Type; None makes DRF answer 415."""
        content_type = (request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == content_type), None)

    def select_renderer(self, request: Any, renderers: list[Any], format_suffix: str | None = None) -> tuple[Any, str]:
        """The first renderer, JSON."""
        return renderers[0], renderers[0].media_type


class StrictJSONParser(BaseParser):
    """`DEFAULT_PARSER_CLASSES`: bodies by `contract.strict_json`, so sync views refuse what the chat path refuses."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """The body as a dict. Raises ApiError invalid_request."""
        return strict_json.loads(stream.read())
