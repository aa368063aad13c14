"""What staff must look at, computed from the books: on the admin's front page, and by beat as a line of ERROR for each kind
that comes up or is another than it was, and once an hour while it stays as it is.

flagged       calls whose usage or cost could not be trusted (`UsageRecord.alert`), of the last RECENT
absorbed      accounts whose failed tries have cost us more than settings.ABSORBED_ALERT_USD, of the last RECENT
audit         the last audit found differences, is overdue, or there never was one
below zero    wallets that a call, a refund or a dispute has brought there: they take no new work until topped up
never ended   calls open for longer than any may last: the sweeper, which ends such, does not run or can't
webhooks refused   what payment providers told us that does not fit our top-ups, until staff have dealt with it: no money was moved for it
in question   top-ups, and wallets whose card is being entered, about which a provider's answer did not fit
disputes open      payments that customers' banks have taken back, until the provider says who won
disputes lost      those that were decided against us, of the last RECENT
mails given up     notices that no try could send (`accounts.notices`), of the last RECENT
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from celery import shared_task
from django.conf import settings
from django.core.cache import cache
from django.db.models import Count, QuerySet, Sum
from django.utils import timezone

from accounts import notices
from wallets import last_audit, sweeper
from wallets.models import AutoTopUp, Dispute, TopUp, UsageRecord, UsageStatus, Wallet, WebhookEvent

RECENT = timedelta(days=1)
# In one line of the log
NAMED = 10
# Of a kind that stays as it is, the next line. What was said last is in the cache: where that is lost a line is said again
AGAIN_SECONDS = 3600
SAID = "wallets.alerts.said"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Flagged:
    """So many recent calls over `route` carry this `alert`."""

    alert: str
    route: str
    calls: int


@dataclass(frozen=True, slots=True)
class Absorbed:
    """What recent calls of one wallet's account cost us in tries that nobody pays for."""

    wallet: Wallet
    usd: Decimal
    calls: int


def flagged_calls() -> QuerySet[UsageRecord]:
    """The recent calls with an alert."""
    return UsageRecord.objects.filter(created_at__gt=timezone.now() - RECENT).exclude(alert="")


def flagged() -> list[Flagged]:
    """The recent calls with an alert, by alert and route; the most frequent first."""
    counted = flagged_calls().values("alert", "route").annotate(calls=Count("id")).order_by("-calls", "alert", "route")
    return [Flagged(**row) for row in counted]


def absorbed_calls() -> QuerySet[UsageRecord]:
    """The recent calls with tries that nobody pays for."""
    return UsageRecord.objects.filter(created_at__gt=timezone.now() - RECENT, absorbed_cost_usd__gt=0)


def absorbed() -> list[Absorbed]:
    """The accounts above the limit, the dearest first."""
    above = (
        absorbed_calls()
        .values("wallet_id")
        .annotate(usd=Sum("absorbed_cost_usd"), calls=Count("id"))
        .filter(usd__gt=settings.ABSORBED_ALERT_USD)
        .order_by("-usd", "wallet_id")
    )
    rows = list(above)
    wallets = Wallet.objects.select_related("account__user").in_bulk([row["wallet_id"] for row in rows])
    return [Absorbed(wallets[row["wallet_id"]], row["usd"], row["calls"]) for row in rows]


def below_zero() -> QuerySet[Wallet]:
    """The wallets below zero, the lowest first.

    Without an index, on purpose: one over `balance` would have to be written with every charge, and wallets are few.
    """
    return Wallet.objects.filter(balance__lt=0).order_by("balance", "id")


def never_ended() -> QuerySet[UsageRecord]:
    """The calls that should have been ended, the oldest first."""
    return UsageRecord.objects.filter(status=UsageStatus.OPEN, created_at__lt=latest_to_end()).order_by("created_at", "id")


def refused_webhooks() -> QuerySet[WebhookEvent]:
    """The events of payment providers that did not fit the books and that staff have not dealt with, the newest first."""
    unseen = WebhookEvent.objects.filter(verdict=WebhookEvent.Verdict.REFUSED, seen_at=None)
    return unseen.order_by("-received_at", "-id")


def in_question() -> QuerySet[TopUp]:
    """The top-ups about which a provider, when asked, said what did not fit, the newest first."""
    return TopUp.objects.exclude(problem="").order_by("-id")


def cards_in_question() -> QuerySet[AutoTopUp]:
    """The automatic top-ups whose card, when the provider was asked for it, did not fit; no longer than RECENT after its page ended."""
    entering = AutoTopUp.objects.exclude(setup_id="").filter(setup_expires_at__gt=timezone.now() - RECENT)
    return entering.exclude(problem="").select_related("wallet__account__user").order_by("id")


def open_disputes() -> QuerySet[Dispute]:
    """The disputes that nobody has decided yet, the oldest first. Without an index: disputes are few."""
    return Dispute.objects.filter(status=Dispute.Status.OPEN).order_by("opened_at", "id")


def lost_disputes() -> QuerySet[Dispute]:
    """The disputes lately decided against us, the newest first."""
    return Dispute.objects.filter(status=Dispute.Status.LOST, closed_at__gt=timezone.now() - RECENT).order_by("-closed_at", "-id")


def latest_to_end() -> datetime:
    """An open call that began before this should have been ended. The sweeper gets a minute for it."""
    return timezone.now() - timedelta(seconds=sweeper.longest_seconds() + 60)


@shared_task(name="wallets.alerts", ignore_result=True)
def alerts_task() -> None:
    """Run by beat every 5 minutes: one line for each kind with something new to say. Ids and counts, nobody's data."""
    now, said = time.time(), cache.get(SAID, {})
    kept = {}
    for kind, facts in up():
        last, at = said.get(kind, (None, 0.0))
        if facts != last or now - at >= AGAIN_SECONDS:
            logger.error("staff must look: %s", kind, extra={"alert": kind, **facts})
            at = now
        kept[kind] = facts, at
    cache.set(SAID, kept, timeout=2 * AGAIN_SECONDS)


def up() -> Iterator[tuple[str, dict[str, str | int]]]:
    """The kinds that are up, with what there is to say about them."""
    if found := flagged():
        told = ", ".join(f"{one.calls} x {one.alert} ({one.route})" for one in found[:NAMED])
        yield "flagged", {"calls": sum(one.calls for one in found), "flags": told}
    if dear := absorbed():
        usd = sum((one.usd for one in dear), Decimal(0))
        yield "absorbed", {"accounts": len(dear), "usd": f"{usd:.2f}", "wallets": _ids(one.wallet.pk for one in dear[:NAMED])}
    last = last_audit.read()
    if not last.is_ok:
        yield "audit", {"state": last.state, "differences": last.differences}
    if count := below_zero().count():
        yield "below zero", {"count": count, "wallets": _ids(below_zero().values_list("id", flat=True)[:NAMED])}
    if count := never_ended().count():
        yield "never ended", {"count": count, "calls": _ids(never_ended().values_list("id", flat=True)[:NAMED])}
    if count := refused_webhooks().count():
        yield "webhooks refused", {"count": count, "events": _ids(refused_webhooks().values_list("event_id", flat=True)[:NAMED])}
    if (count := in_question().count()) + (cards := cards_in_question().count()):
        top_ups, wallets = in_question().values_list("id", flat=True), cards_in_question().values_list("wallet_id", flat=True)
        yield "in question", {"count": count + cards, "top_ups": _ids(top_ups[:NAMED]), "wallets": _ids(wallets[:NAMED])}
    for kind, disputes in [("disputes open", open_disputes()), ("disputes lost", lost_disputes())]:
        if count := disputes.count():
            yield kind, {"count": count, "top_ups": _ids(disputes.values_list("top_up_id", flat=True)[:NAMED])}
    if count := notices.given_up(RECENT).count():
        yield "mails given up", {"count": count, "notices": _ids(notices.given_up(RECENT).values_list("id", flat=True)[:NAMED])}


def _ids(ids: Iterable[object]) -> str:
    return ", ".join(map(str, ids))
