"""MiniMax's refusals: HTTP 200 with a code in `base_resp`."""

from __future__ import annotations

from typing import Any

MESSAGES = {
    1000: "unknown error",
    1001: "request timeout",
    1002: "rate limit",
    1004: "login fail: Please carry the API secret key in the 'Authorization' field of the request header",
    1008: "insufficient balance",
    1024: "internal error",
    1026: "input new_sensitive",
    1027: "output new_sensitive",
    1033: "system error",
    1039: "token limit",
    1041: "conn limit",
    1042: "invisible character ratio limit",
    2013: "invalid params",
    2045: "rate growth limit",
    2049: "invalid api key",
    2056: "usage limit exceeded",
    2061: "your current token plan not support model",
}


class Refusal(Exception):
    """A refusal with MiniMax's code."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message or MESSAGES.get(code, "sandbox")


def base_resp(code: int, message: str = "") -> dict[str, Any]:
    """The part of every answer that says how it went."""
    return {"base_resp": {"status_code": code, "status_msg": message or MESSAGES.get(code, "success" if code == 0 else "sandbox")}}
