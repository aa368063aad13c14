"""LiteLLM's price map as it lies on the disk, read without importing litellm."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

_FILE = "model_prices_and_context_window_backup.json"


def file() -> Path | None:
    """Where the map lies, none if litellm is not installed."""
    spec = find_spec("litellm")
    return None if spec is None or spec.origin is None else Path(spec.origin).with_name(_FILE)


@cache
def entries() -> dict[str, dict[str, Any]]:
    """The whole map by LiteLLM's keys ("dashscope/qwen-max"), read once in a process (3 MB). Don't change it."""
    path = file()
    if path is None:
        raise FileNotFoundError("litellm is not installed")
    found: dict[str, dict[str, Any]] = orjson.loads(path.read_bytes())
    return found


def entry(key: str) -> dict[str, Any] | None:
    """A copy of the entry under `key`, none where LiteLLM has no price."""
    found = entries().get(key)
    return None if found is None else dict(found)


def source() -> str:
    """Whose map it is: "LiteLLM 1.103.7"."""
    return f"LiteLLM {version('litellm')}"
