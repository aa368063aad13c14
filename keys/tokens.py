"""What an API key looks like: `sk-bt-`, 32 random base62 characters, and a 6 character checksum of them.

The checksum is the CRC-32 of the 32 characters in base62, padded with "0" to six, as GitHub's tokens have it
(https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/). It is no secret and
proves nothing: it lets us refuse a mistyped or truncated key, and a scanner recognise a leaked one, without a database.
CRC-32 notices every change within 32 neighbouring bits, so every single wrong character.

32 base62 characters are 190 bits; 155 of them stay unknown to who sees the prefix that the dashboard shows.
"""

from __future__ import annotations

import hmac
import re
import secrets
import string
import zlib

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

MARK = "sk-bt-"
PREFIX_LENGTH = 12
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BODY_LENGTH = 32
_CHECKSUM_LENGTH = 6
_SHAPE = re.compile(rf"{MARK}([0-9A-Za-z]{{{_BODY_LENGTH}}})([0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})")


def new_token() -> str:
    """A new API key in clear. Show it to its owner once; store and log only its `digest` and `prefix`."""
    body = "".join(secrets.choice(_BASE62) for _ in range(_BODY_LENGTH))
    return f"{MARK}{body}{_checksum(body)}"


def well_formed(token: str) -> bool:
    """Whether this could be a key of ours at all. Says nothing about whether it was ever issued."""
    match = _SHAPE.fullmatch(token)
    return match is not None and _checksum(match[1]) == match[2]


def digest(token: str) -> str:
    """The 64 hexadecimal digits under which a key is stored: HMAC-SHA256 of it under `settings.KEY_PEPPER`.

    A key is random, so a fast digest is as safe as a slow one; the pepper, which is not in the database, keeps whoever
    can write to the database from making a key of their own. Raises ImproperlyConfigured without a pepper.
    """
    if not settings.KEY_PEPPER:
        raise ImproperlyConfigured("KEY_PEPPER is not set")
    return hmac.digest(settings.KEY_PEPPER.encode(), token.encode(), "sha256").hex()


def prefix(token: str) -> str:
    """The first twelve characters, by which people recognise a key. Not unique."""
    return token[:PREFIX_LENGTH]


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode("ascii"))
    digits = []
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_BASE62))
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))
