"""A call that may take long, made in a thread while the step's claim is renewed.

The step is told at once when the task is canceled, or its claim lost: the call then goes on, and what it gives is thrown away.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from django.conf import settings
from django.db import OperationalError, connection

from tasks_app.engine.claims import Claim

T = TypeVar("T")

logger = logging.getLogger(__name__)

RENEWALS = 3
"""In the time of a claim: two may fail."""


def kept_call(claim: Claim, call: Callable[[], T], *, percent: Callable[[float], int] | None = None) -> T:
    """What `call` returns or raises. It may use the database, not the claim. No database connection is kept meanwhile.

    `percent`, of the seconds it has lasted, is how far the task is then. Raises claims.Canceled, claims.ClaimLost.
    """
    done: Future[T] = Future()
    begun = claim.now()

    def run() -> None:
        try:
            result = call()
        except BaseException as error:
            connection.close()
            done.set_exception(error)
        else:
            connection.close()
            done.set_result(result)

    threading.Thread(target=run, name=f"call of {claim.task.pk}", daemon=True).start()
    while not done.done():
        connection.close()
        wait([done], timeout=settings.TASK_CLAIM_SECONDS / RENEWALS)
        if not done.done():
            keep(claim, percent((claim.now() - begun).total_seconds()) if percent else 0)
    return done.result()


def keep(claim: Claim, percent: int = 0) -> None:
    """Renew the claim, if the database is there: the task is `percent` far, or as far as before. Raises Canceled, ClaimLost of claims."""
    try:
        claim.renew(percent=max(claim.task.percent, percent))
    except OperationalError as error:  # the claim may outlive it; if it does not, what the step writes will not count
        logger.warning("a claim was not renewed: %s", type(error).__name__, extra={"usage_id": claim.task.pk})
