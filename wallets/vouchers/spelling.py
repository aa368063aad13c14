"""What a voucher's code looks like: `7KQM-2X9D-H4TB-W0RN-C8FE`, 20 random characters in five groups.

They are Crockford's base 32, in which no two characters look alike: no I, L, O or U. Whoever types one of these means 1, 1, 0 or
nothing of ours; small letters and missing or other separators are no mistake either. 20 characters are 100 bits; 80 of them stay
unknown to who sees the first group, by which staff recognise a code.
"""

from __future__ import annotations

import hmac
import re
import secrets
from typing import Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH: Final = 20
GROUP: Final = 4
# With every separator that people, or what they paste from, may put in
LONGEST: Final = 100
_SHAPE = re.compile(f"[{ALPHABET}]{{{LENGTH}}}")
_MEANT = str.maketrans("OIL", "011")


def new_code() -> str:
    """A new code in clear, in groups. Show it to staff once; store and log only its `digest` and `prefix`."""
    code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return "-".join(code[start : start + GROUP] for start in range(0, LENGTH, GROUP))


def normal(typed: str) -> str | None:
    """The 20 characters that somebody typed, however they did; None where it can't be a code of ours."""
    code = re.sub(r"[\s_\W]", "", typed).upper().translate(_MEANT)
    return code if _SHAPE.fullmatch(code) else None


def digest(code: str) -> str:
    """The 64 hexadecimal digits under which a `normal` code is stored: HMAC-SHA256 of it under `settings.KEY_PEPPER`.

    Who reads the database, or a copy of it, has no code to redeem. A code is random, so a fast digest is as safe as a slow one.
    Raises ImproperlyConfigured without a pepper.
    """
    if not settings.KEY_PEPPER:
        raise ImproperlyConfigured("KEY_PEPPER is not set")
    return hmac.digest(settings.KEY_PEPPER.encode(), f"voucher:{code}".encode(), "sha256").hex()


def prefix(code: str) -> str:
    """The first group, by which people recognise a code. Not unique."""
    return code[:GROUP]
