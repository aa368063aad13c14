"""`/demo/inbox`: the mail of the demo, which goes to files instead of people."""

from __future__ import annotations

import email
import email.policy
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

# The newest mails are what a demo needs; the folder itself keeps them all.
SHOWN = 50
# The file backend of Django writes one file per process and connection, with this line after every mail.
_SEPARATOR = b"-" * 79


@dataclass(frozen=True)
class Mail:
    sent_at: datetime
    to: str
    sender: str
    subject: str
    text: str


def _is_open(request: HttpRequest) -> bool:
    """Anybody's mail is shown here, so: in the demo only, and to this machine's own browser only."""
    if not settings.SANDBOX or not settings.EMAIL_BACKEND.endswith(".filebased.EmailBackend"):
        return False
    if "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    host = split_domain_port(request.get_host())[0].strip("[]")
    return _is_loopback(host) and _is_loopback(request.META.get("REMOTE_ADDR", ""))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def context(request: HttpRequest) -> dict[str, Any]:
    """For templates: whether the sandbox answers here, and where the demo's inbox is, nothing where there is none."""
    return {"in_sandbox": settings.SANDBOX, "demo_inbox_url": reverse("demo_inbox") if _is_open(request) else ""}


def mails(folder: Path, *, limit: int = SHOWN) -> list[Mail]:
    """The newest mails of Django's file backend in a folder, newest first."""
    files = sorted(folder.glob("*.log"), key=lambda file: file.stat().st_mtime_ns, reverse=True)[:limit] if folder.is_dir() else []
    found = [_read(part.lstrip()) for file in files for part in reversed(file.read_bytes().split(_SEPARATOR)) if part.strip()]
    found.sort(key=lambda mail: mail.sent_at, reverse=True)
    return found[:limit]


def _read(raw: bytes) -> Mail:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(preferencelist=("plain",))
    # Django writes the time as UTC with the zone "-0000", which the parser takes for unknown
    return Mail(
        sent_at=message["Date"].datetime.replace(tzinfo=UTC),
        to=str(message["To"] or ""),
        sender=str(message["From"] or ""),
        subject=str(message["Subject"] or ""),
        text=body.get_content().strip() if body else "",
    )


@require_safe
@never_cache
def inbox(request: HttpRequest) -> HttpResponse:
    if not _is_open(request):
        raise Http404
    return render(request, "demo/inbox.html", {"mails": mails(Path(settings.EMAIL_FILE_PATH))})
