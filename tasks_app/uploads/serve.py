"""Links to stored files: `/files/<token>`, good for an hour, for whoever has one."""

from __future__ import annotations

from functools import cache
from typing import Final

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner

from tasks_app.models import Artifact

LINK_SECONDS: Final = 3600


def link(artifact: Artifact) -> str:
    """The absolute URL of the bytes, from now on for an hour. Whoever has it may fetch them: it is a secret of the account's."""
    return f"{settings.SITE_URL}{path(artifact)}"


def path(artifact: Artifact) -> str:
    """As `link`, for a page of ours, whatever host it was opened under."""
    return f"/files/{_signer().sign(artifact.pk)}"


def artifact_id_of(token: str) -> str | None:
    """The id that a token was made for; None for one that is forged, or older than an hour."""
    try:
        return _signer().unsign(token, max_age=LINK_SECONDS)
    except BadSignature:
        return None


@cache
def _signer() -> TimestampSigner:
    return TimestampSigner(sep=".", salt="tasks_app.uploads.serve")
