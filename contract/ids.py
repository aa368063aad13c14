"""Public ids: a prefix that says what it is, and a ULID, so that ids sort by the time they were made."""

import os
import time

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Crockford's base32 two digits at a time: a chat call makes two ids, and this takes a third of the time of a library
_PAIRS = [high + low for high in _DIGITS for low in _DIGITS]
_SHIFTS = range(120, -1, -10)


def new_id(prefix: str) -> str:
    """`new_id("chatcmpl")` gives `chatcmpl_01J...`: the prefix, an underscore and a ULID.

    That is 48 bits of milliseconds and 80 random ones in 26 digits of Crockford's base32, https://github.com/ulid/spec.
    """
    value = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10), "big")
    return prefix + "_" + "".join([_PAIRS[value >> shift & 1023] for shift in _SHIFTS])
