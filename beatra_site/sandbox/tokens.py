"""Counting tokens as a provider does, and taking a text apart into the tokens of a stream. The vocabulary is the catalog's.

Unlike the catalog's estimate this is exact, for usage, limits and streamed deltas must agree to the token.
"""

from collections.abc import Iterator

from catalog.tokens import vocabulary

# tiktoken's regex overflows its stack on one run of a million equal characters
LONGEST_PART = 20_000


def encode(text: str) -> list[bytes]:
    """The tokens of a text as bytes; joined they are the text again."""
    encoding = vocabulary()
    return [encoding.decode_single_token_bytes(token) for part in _parts(text) for token in encoding.encode_ordinary(part)]


def count(text: str) -> int:
    """How many tokens a text has."""
    encoding = vocabulary()
    return sum(len(encoding.encode_ordinary(part)) for part in _parts(text))


def _parts(text: str) -> Iterator[str]:
    """The text in parts that are safe to encode, cut before a blank that begins a word, where no token reaches across."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    start = 0
    while start < len(text):
        end = start + LONGEST_PART
        if end < len(text):
            blank = text.rfind(" ", start + 1, end)
            if blank > start and not text[blank - 1].isspace() and text[blank + 1].isalpha():
                end = blank
        yield text[start:end]
        start = end


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
