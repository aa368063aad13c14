"""Mail leaves in the background.

A page neither waits for the mail server nor fails with it, nor tells by its slowness which address is a customer's.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import Final

from django.core.mail import EmailMessage, get_connection

logger = logging.getLogger(__name__)

_PAUSES_SECONDS: Final = (0.0, 1.0, 5.0)
"""Before each try. What fails at last is asked for again by the one who waits for it."""

# At its exit the interpreter waits until these are through with what they were given
_SENDERS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="mail")
_waiting: set[Future[None]] = set()


def send(message: EmailMessage) -> None:
    """Hand a mail over to be sent. Returns at once and raises nothing; a mail that can't be sent is logged, without a word of it."""
    message.connection = get_connection()
    future = _SENDERS.submit(_send, message)
    _waiting.add(future)
    future.add_done_callback(_waiting.discard)


def wait() -> None:
    """Return when all that was handed over has left, or has failed for good."""
    wait_for(list(_waiting))


def _send(message: EmailMessage) -> None:
    failure = ""
    for pause_seconds in _PAUSES_SECONDS:
        time.sleep(pause_seconds)
        try:
            message.send()
            return
        except Exception as error:
            # by its name only: an SMTP error quotes addresses
            failure = type(error).__name__
    logger.error("mail not sent", extra={"error": failure})
