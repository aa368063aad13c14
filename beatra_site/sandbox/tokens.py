"""Counting tokens as a provider does: cl100k_base, from the vocabulary file that litellm's package carries on disk.

The file is found without importing litellm (3 s) and read without tiktoken's own cache, which would reach for the network
when the file is missing.
"""

import base64
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import tiktoken

# tiktoken's cache names a vocabulary by the SHA-1 of its address: this one is cl100k_base
VOCABULARY_FILE = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
# How cl100k_base cuts text before merging bytes, from tiktoken_ext/openai_public.py
PATTERN = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
# tiktoken's regex overflows its stack on one run of a million equal characters
LONGEST_PIECE = 20_000


@functools.cache
def vocabulary() -> tiktoken.Encoding:
    """The encoding, read once (about 0.2 s). Raises RuntimeError when litellm's package is not installed."""
    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None:
        raise RuntimeError("litellm, whose package carries the token vocabulary, is not installed")
    file = Path(spec.origin).parent / "litellm_core_utils" / "tokenizers" / VOCABULARY_FILE
    lines = (line.split() for line in file.read_bytes().splitlines() if line)
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    return tiktoken.Encoding("cl100k_base", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})


def encode(text: str) -> list[bytes]:
    """The tokens of a text as bytes; joined they are the text again."""
    encoding = vocabulary()
    safe = text.encode("utf-8", "replace").decode("utf-8")
    pieces = (safe[start : start + LONGEST_PIECE] for start in range(0, len(safe), LONGEST_PIECE))
    return [encoding.decode_single_token_bytes(token) for piece in pieces for token in encoding.encode_ordinary(piece)]


def count(text: str) -> int:
    """How many tokens a text has."""
    encoding = vocabulary()
    safe = text.encode("utf-8", "replace").decode("utf-8")
    return sum(len(encoding.encode_ordinary(safe[start : start + LONGEST_PIECE])) for start in range(0, len(safe), LONGEST_PIECE))


def pieces(text: str) -> Iterator[tuple[str, list[bytes]]]:
    """A text as the deltas of a stream: one token each, or several where a character spans tokens."""
    waiting: list[bytes] = []
    for token in encode(text):
        waiting.append(token)
        try:
            characters = b"".join(waiting).decode()
        except UnicodeDecodeError:
            continue
        yield characters, waiting
        waiting = []
