"""RFC 6901 JSON Pointers, the form of every `param` that names a place in a body."""

from collections.abc import Iterable


def pointer(path: Iterable[str | int]) -> str:
    """`("messages", 0, "role")` gives `/messages/0/role`; the empty path gives "", the whole body."""
    return "".join(f"/{step}" if isinstance(step, int) else f"/{step.replace('~', '~0').replace('/', '~1')}" for step in path)
