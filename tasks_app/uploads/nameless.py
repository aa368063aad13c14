"""Files on their way in: on the disk under INCOMING, without a name, so that nothing of them is left when they are closed, or when their
process dies."""

from __future__ import annotations

import tempfile
from typing import BinaryIO, cast

from django.conf import settings


def nameless(*, buffering: int = -1) -> BinaryIO:
    """A new, empty file to write and to read, which is gone when it is closed. `buffering` is open's. Raises OSError."""
    settings.INCOMING.mkdir(parents=True, exist_ok=True)
    return cast(BinaryIO, tempfile.TemporaryFile(dir=settings.INCOMING, buffering=buffering))
