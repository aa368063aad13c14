"""Waiting for the first call of a key: what a page shows, and how often it asks, until a call is there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import account_required
from beatra_site.dashboard.clause import Clause
from beatra_site.dashboard.clauses import clause_of
from keys.models import ApiKey
from wallets.models import UsageRecord, UsageStatus

# How long after its opening a page asks how often, in seconds. Then it waits for a click.
_ASKS: Final = ((120, 2), (900, 10))


@dataclass(frozen=True)
class Watch:
    """What is known of the calls of a key. `every_seconds` is 0 when there is nothing more to wait for, or nobody waits."""

    key: ApiKey
    since: int
    every_seconds: int
    state: str
    record: UsageRecord | None = None

    @property
    def seen(self) -> str:
        """Names what a page shows, for it to say so when it asks again."""
        return f"{self.state}.{self.every_seconds}.{self.record.pk if self.record else ''}"

    @property
    def clause(self) -> Clause | None:
        return clause_of(self.record) if self.record else None


def watch(key: ApiKey, *, since: int) -> Watch:
    """The newest call of a key, seen by a page that was opened at `since` (Unix time)."""
    waited_seconds = time.time() - since
    every_seconds = next((every for until, every in _ASKS if waited_seconds < until), 0)
    record = UsageRecord.objects.filter(key_id=key.pk).order_by("-created_at", "-id").first()
    if record is not None and record.status == UsageStatus.CHARGED:
        return Watch(key, since, 0, "charged", record)
    if not key.works():
        return Watch(key, since, 0, "over")
    if record is not None:
        return Watch(key, since, every_seconds, "running" if record.status == UsageStatus.OPEN else "failed", record)
    # A call that was refused before its hold has no record, but it has used the key
    return Watch(key, since, every_seconds, "refused" if key.last_used_at else "waiting")


@require_safe
@never_cache
@account_required
def first_call(request: HttpRequest, key_id: int) -> HttpResponse:
    """A page, and the fragment by which it and the page of a new key keep up: 204 while what they show is still true."""
    key = get_object_or_404(ApiKey.objects.of_account(request.account), pk=key_id)  # type: ignore[attr-defined]  # account_required's
    now = int(time.time())
    asked = request.GET.get("since", "")
    seen = watch(key, since=min(int(asked), now) if asked.isascii() and asked.isdecimal() else now)
    if request.htmx and request.GET.get("seen") == seen.seen:  # type: ignore[attr-defined]  # django-htmx's
        return HttpResponse(status=204)
    template = "dashboard/_first_call.html" if request.htmx else "dashboard/first_call.html"  # type: ignore[attr-defined]  # django-htmx's
    # The page of a new key shows it this once, so links there don't lead away from it
    path = urlsplit(request.headers.get("HX-Current-URL", "")).path
    beside_new_key = path == reverse("keys:create") or path.endswith("/rotate/")
    response = render(request, template, {"watch": seen, "key": key, "record": seen.record, "beside_new_key": beside_new_key})
    patch_vary_headers(response, ["HX-Request"])
    return response
