"""How many tokens a text is, near enough for holds and for charges that must be estimated.

A prompt is counted in two ways: cautiously for a hold, `estimate_prompt`, and fairly for a charge, `count_prompt`.

The vocabulary is o200k, which LiteLLM's package carries on the disk: no network and no import of litellm, whose own
counter would fetch image URLs. It is exact for OpenAI's models and close for the others of its size; the smaller cl100k
counts 1.6 times too many for Chinese, twice for Russian, thrice for Hindi, and would refuse prompts that fit. The JSON
around the texts makes an estimate rather too high, and a hold adds a tenth. Text goes through in slices, so that no
input, however hostile, costs more than linear time: 3 to 20 million characters a second. tiktoken lets go of the GIL:
count more than `LONG_CHARACTERS` in a thread, and the event loop goes on.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
import tiktoken

# Texts longer than this take more than a few milliseconds
LONG_CHARACTERS = 65_536
_SLICE_CHARACTERS = 4096
# The marks that a chat template puts around a message, and before the answer
_TOKENS_PER_MESSAGE = 4
_TOKENS_PER_REQUEST = 3

# As tiktoken_ext.openai_public has them; the file's name is what tiktoken's cache makes of its address
_O200K_FILE = "fb374d419588a4632f3f557e76b4b70aebbca790"
_O200K_PATTERN = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)


def count(text: str, *, ceiling: int | None = None) -> int:
    """The tokens of `text`. Marks like "<|endoftext|>" are ordinary text.

    With a `ceiling` the count stops once it is above: enough to see that a prompt is too long.
    """
    encoding = vocabulary()
    total = 0
    for start in range(0, len(text), _SLICE_CHARACTERS):
        total += len(encoding.encode_ordinary(text[start : start + _SLICE_CHARACTERS]))
        if ceiling is not None and total > ceiling:
            break
    return total


def estimate_prompt(
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: Sequence[Mapping[str, Any]] | None = None,
    response_format: Mapping[str, Any] | None = None,
    ceiling: int | None = None,
) -> int:
    """The estimated prompt tokens of a chat request: its JSON text without images, which each model counts its own way. Rather too high.

    Pure and thread-safe. `ceiling` as in `count`: give the largest context window in question.
    """
    spoken = []
    for message in messages:
        content = message.get("content")
        if isinstance(content, list | tuple):
            message = {**message, "content": [part for part in content if not _is_image(part)]}
        spoken.append(message)
    texts = [_json(spoken)] + [_json(given) for given in (tools, response_format) if given]
    return _TOKENS_PER_REQUEST + _TOKENS_PER_MESSAGE * len(spoken) + sum(count(text, ceiling=ceiling) for text in texts)


def count_prompt(
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: Sequence[Mapping[str, Any]] | None = None,
    response_format: Mapping[str, Any] | None = None,
) -> int:
    """The prompt tokens of a chat request as a provider counts them, for a charge without its counts: what is said, the marks around it,
    and the JSON of tools and response format; without images.

    Pure and thread-safe.
    """
    texts = [text for message in messages for text in _said(message)] + [_json(given) for given in (tools, response_format) if given]
    return _TOKENS_PER_REQUEST + _TOKENS_PER_MESSAGE * len(messages) + sum(map(count, texts))


def _said(message: Mapping[str, Any]) -> Iterator[str]:
    content = message.get("content")
    for part in content if isinstance(content, list | tuple) else [{"text": content}]:
        yield part.get("text") or part.get("refusal") or ""
    for name in ("name", "refusal", "reasoning_content"):
        yield message.get(name) or ""
    for call in message.get("tool_calls") or ():
        yield call["function"]["name"]
        yield call["function"]["arguments"]


def warm() -> None:
    """Load the vocabulary: half a second and 60 MB, once in a process."""
    vocabulary()


def _is_image(part: object) -> bool:
    return isinstance(part, Mapping) and part.get("type") == "image_url"


def _json(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError):  # integers over 64 bits, lone surrogates
        return json.dumps(value)


def vocabulary_file() -> Path | None:
    """Where the vocabulary lies, none if litellm, whose package carries it, is not installed."""
    spec = find_spec("litellm")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent / "litellm_core_utils" / "tokenizers" / _O200K_FILE


@cache
def vocabulary() -> tiktoken.Encoding:
    """o200k, read from the disk once in a process. Raises FileNotFoundError when litellm is not installed."""
    file = vocabulary_file()
    if file is None:
        raise FileNotFoundError("litellm, whose package carries the vocabulary, is not installed")
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in file.read_bytes().splitlines())}
    return tiktoken.Encoding(name="o200k", pat_str=_O200K_PATTERN, mergeable_ranks=ranks, special_tokens={})
