"""Files from a caller's URL: fetched for a task, and kept as an artifact of it."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from contract import limits
from contract.fetching import INTERNET, Network, fetch_into
from contract.returned_connections import give_back
from tasks_app.models import Artifact, ArtifactKind, Task
from tasks_app.uploads import storing
from tasks_app.uploads.nameless import nameless


def fetched(url: str, task: Task, *, most_bytes: int, accepts: Callable[[storing.Content], None], network: Network = INTERNET) -> Artifact:
    """What is at `url`, kept as a reference of `task`. Call it outside of transactions.

    `accepts` raises what it likes about a file that is not to be kept. Raises FetchError and NotMediaError, too.
    """
    with nameless() as file:
        seconds = limits.REFERENCE_FETCH_SECONDS
        give_back()  # a server of somebody's may take its time
        fetch_into(file, url, most_bytes=most_bytes, seconds=seconds, whose=task.account_id, network=network)
        content = storing.examine(file)
        accepts(content)
        with storing.placed(file) as name, transaction.atomic():
            return storing.record(content, name, account_id=task.account_id, kind=ArtifactKind.REFERENCE, task=task, metadata={})
