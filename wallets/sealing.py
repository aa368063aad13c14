"""The secrets of idempotency: what is kept of a caller's Idempotency-Key and body, and the seal on a stored answer.

All keys are derived from SECRET_KEY **and** the caller's Idempotency-Key, which is not kept: neither the tables alone nor the tables
with the server's secret open an answer, as long as the caller's key can't be guessed. Under a changed SECRET_KEY nothing is found
that was stored under the old one: a retry is then a new call.
"""

from __future__ import annotations

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.utils.crypto import salted_hmac

NONCE_BYTES = 12


class BrokenSealError(Exception):
    """A stored answer is not what was sealed, or was sealed for another call or under another key."""


def digest(key: str, *, wallet_id: int, method: str, path: str) -> str:
    """64 hexadecimal digits for the scope of an Idempotency-Key: the account, by its wallet, the method, the path, and the key."""
    return _derived("digest", "\n".join((str(wallet_id), method, path, key))).hex()


def fingerprint(key: str, *, body: bytes) -> str:
    """64 hexadecimal digits for `body`, in its one spelling (contract/canonical_json.py): the same body, the same digits.

    Under another key they are others, so that nobody sees who asked the same.
    """
    return hmac.digest(_derived("fingerprint", key), body, "sha256").hex()


def seal(answer: bytes, *, key: str, usage_id: str, wallet_id: int) -> bytes:
    """`answer`, for the eyes of whoever has `key`: a nonce, then AES-256-GCM bound to the call it is the answer of."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(_derived("answer", key)).encrypt(nonce, answer, _of(usage_id, wallet_id))


def unseal(sealed: bytes, *, key: str, usage_id: str, wallet_id: int) -> bytes:
    """What `seal` was given. Raises BrokenSealError."""
    try:
        return AESGCM(_derived("answer", key)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _of(usage_id, wallet_id))
    except (InvalidTag, ValueError):
        raise BrokenSealError("the stored answer can't be opened") from None


def _derived(purpose: str, secret: str) -> bytes:
    """32 bytes from SECRET_KEY and `secret`, others for each purpose."""
    return salted_hmac(f"wallets.sealing.{purpose}", secret, algorithm="sha256").digest()


def _of(usage_id: str, wallet_id: int) -> bytes:
    return f"{usage_id}\n{wallet_id}".encode()
