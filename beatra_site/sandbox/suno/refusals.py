"""Suno's refusals: HTTP 200, and a `code` in the body that says how it went."""

from __future__ import annotations

from typing import Any

MESSAGES = {
    400: "Invalid parameters",
    401: "You do not have access permissions",
    405: "The rate limit was exceeded",
    413: "The theme or prompt is too long",
    429: "The current credits are insufficient. Please top up.",
    430: "Your call frequency is too high. Please try again later.",
    455: "The system is under maintenance",
    500: "Server exception, please try again later",
    501: "Audio generation failed",
    531: "Generation failed, the credits were refunded",
}


class Refusal(Exception):
    """A refusal with Suno's code."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message or MESSAGES.get(code, "sandbox")


def envelope(data: Any, *, code: int = 200, message: str = "success") -> dict[str, Any]:
    """The envelope of every answer."""
    return {"code": code, "msg": message, "data": data}
