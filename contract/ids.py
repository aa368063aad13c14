"""Public ids: a prefix that says what it is, and a ULID, so that ids sort by the time they were made."""

from ulid import ULID


def new_id(prefix: str) -> str:
    """`new_id("chatcmpl")` gives `chatcmpl_01J...`: the prefix, an underscore and 26 characters of Crockford base32."""
    return f"{prefix}_{ULID()}"
