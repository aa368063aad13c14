"""The admin's front page: how the last audit went and what staff must look at, above the list of tables.

Whoever may not view a table sees nothing of it here either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from accounts import notices
from accounts.models import Notice
from tasks_app.engine import overdue
from tasks_app.models import Task
from wallets import alerts, last_audit, money
from wallets.models import AuditRun, AutoTopUp, Dispute, TopUp, UsageRecord, Wallet, WebhookEvent
from wallets.top_ups.standing import TopUpStanding

# Of a matter with many rows; the rest is behind its link
SHOWN = 10


@dataclass(frozen=True)
class Matter:
    """One thing to look at: what it is, what it means, its first rows as a table (headers, rows) and the list with `count` of them."""

    title: str
    means: str
    table: dict[str, Sequence[Any]]
    count: int
    url: str

    @property
    def more(self) -> int:
        """Rows that are not shown."""
        return max(self.count - SHOWN, 0)


def add_to(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's DASHBOARD_CALLBACK: the context with `audit`, `matters` and `is_watched`, whether this member sees any of it."""
    kinds = [
        (UsageRecord, _of_calls),
        (Wallet, _of_wallets),
        (TopUp, _of_disputes),
        (WebhookEvent, _of_webhooks),
        (TopUp, _of_top_ups),
        (AutoTopUp, _of_cards),
        (Notice, _of_mails),
        (Task, _of_tasks),
    ]
    watched = [matters_of for model, matters_of in kinds if _may_view(request, model)]
    return {
        **context,
        "audit": last_audit.read() if _may_view(request, AuditRun) else None,
        "matters": [matter for matters_of in watched for matter in matters_of()],
        "is_watched": bool(watched),
    }


def _may_view(request: HttpRequest, model: type[Model]) -> bool:
    return admin.site.get_model_admin(model).has_view_permission(request)


def _of_calls() -> Iterator[Matter]:
    recent = {"created_at__gte": (timezone.now() - alerts.RECENT).isoformat(timespec="seconds")}
    if flagged := alerts.flagged():
        yield Matter(
            title="Calls whose usage or cost could not be trusted",
            means="In the last 24 hours, by alert and route. They were charged by our own estimate, or not at all.",
            table={
                "headers": ["Alert", "Route", "Calls"],
                "rows": [
                    _row(one.alert, _list(UsageRecord, alert__exact=one.alert, route__exact=one.route, **recent), one.route, one.calls)
                    for one in flagged[:SHOWN]
                ],
            },
            count=len(flagged),
            url=_list(UsageRecord, alert__isempty=0, **recent),
        )
    if absorbed := alerts.absorbed():
        yield Matter(
            title="Accounts whose failed tries cost us",
            means="In the last 24 hours. Nobody pays for these tries but us.",
            table={
                "headers": ["Account", "USD", "Calls"],
                "rows": [
                    _row(
                        one.wallet,
                        _list(UsageRecord, wallet__id__exact=one.wallet.pk, absorbed_cost_usd__gt=0, **recent),
                        f"{one.usd:,.4f}",
                        one.calls,
                    )
                    for one in absorbed[:SHOWN]
                ],
            },
            count=len(absorbed),
            url=_list(UsageRecord, absorbed_cost_usd__gt=0, **recent),
        )
    if count := alerts.never_ended().count():
        yield Matter(
            title="Calls that were never ended",
            means="They are open for longer than any call may last, and their credits are held. Does a worker with beat run?",
            table={
                "headers": ["Call", "Since", "Held"],
                "rows": [
                    _row(one, _page(one), f"{one.created_at:%Y-%m-%d %H:%M} UTC", money.group(one.hold_credits))
                    for one in alerts.never_ended()[:SHOWN]
                ],
            },
            count=count,
            url=_list(UsageRecord, status__exact="open", created_at__lt=alerts.latest_to_end().isoformat(timespec="seconds")),
        )


def _of_wallets() -> Iterator[Matter]:
    if count := alerts.below_zero().count():
        yield Matter(
            title="Wallets below zero",
            means="By a call that cost more than was held for it, or by a payment that was taken back; their ledgers say which."
            " They take no new work until topped up.",
            table={
                "headers": ["Account", "Balance", "Held"],
                "rows": [
                    _row(one, _page(one), money.group(one.balance), money.group(one.held))
                    for one in alerts.below_zero().select_related("account__user")[:SHOWN]
                ],
            },
            count=count,
            url=_list(Wallet, balance__lt=0),
        )


def _of_disputes() -> Iterator[Matter]:
    if count := alerts.open_disputes().count():
        yield Matter(
            title="Payment disputes",
            means="The customer's bank has taken the payment back; its credits are gone and the account is suspended."
            " Answer at the provider, before its deadline. They stand here until it says who won.",
            table={
                "headers": ["Top-up", "Account", "USD", "Since"],
                "rows": [_dispute_row(one, at=one.opened_at) for one in _with_accounts(alerts.open_disputes())],
            },
            count=count,
            url=_list(TopUp, standing=TopUpStanding.DISPUTED),
        )
    if count := alerts.lost_disputes().count():
        yield Matter(
            title="Payment disputes that were lost",
            means="In the last 24 hours. The money is gone for good; whether the account is opened again is yours to say.",
            table={
                "headers": ["Top-up", "Account", "USD", "Lost"],
                "rows": [_dispute_row(one, at=one.closed_at) for one in _with_accounts(alerts.lost_disputes())],
            },
            count=count,
            url=_list(TopUp, standing=TopUpStanding.DISPUTE_LOST),
        )


def _with_accounts(disputes: QuerySet[Dispute]) -> QuerySet[Dispute]:
    return disputes.select_related("top_up__wallet__account__user")[:SHOWN]


def _dispute_row(dispute: Dispute, *, at: datetime | None) -> list[str]:
    assert at is not None
    return _row(dispute.top_up, _page(dispute.top_up), dispute.top_up.wallet, f"{dispute.amount_usd:,.2f}", f"{at:%Y-%m-%d %H:%M} UTC")


def _of_mails() -> Iterator[Matter]:
    given_up = notices.given_up(alerts.RECENT)
    if count := given_up.count():
        yield Matter(
            title="Mails that could not be sent",
            means="In the last 24 hours, after many tries: they are not tried again. Does the mail server answer, does the address exist?",
            table={
                "headers": ["Mail", "Account", "From"],
                "rows": [
                    _row(one.kind, _page(one), one.account, f"{one.created_at:%Y-%m-%d %H:%M} UTC")
                    for one in given_up.select_related("account__user")[:SHOWN]
                ],
            },
            count=count,
            url=_list(Notice, sent_at__isempty=1, tries__gte=notices.MOST_TRIES),
        )


def _of_webhooks() -> Iterator[Matter]:
    if count := alerts.refused_webhooks().count():
        yield Matter(
            title="Words of payment providers that don't fit our books",
            means="No credits were moved for them. Compare the top-up with the provider's own pages, then mark them as dealt with.",
            table={
                "headers": ["Event", "Top-up", "Why"],
                "rows": [_row(one, _page(one), one.top_up_id or "none", one.reason) for one in alerts.refused_webhooks()[:SHOWN]],
            },
            count=count,
            url=_list(WebhookEvent, verdict__exact=WebhookEvent.Verdict.REFUSED, seen_at__isempty=1),
        )


def _of_top_ups() -> Iterator[Matter]:
    if count := alerts.in_question().count():
        yield Matter(
            title="Top-ups about which the payment provider's answer doesn't fit",
            means="No credits were moved for it. Compare the top-up with the provider's own pages, then mark it as dealt with.",
            table={"headers": ["Top-up", "Why"], "rows": [_row(one, _page(one), one.problem) for one in alerts.in_question()[:SHOWN]]},
            count=count,
            url=_list(TopUp, problem__isempty=0),
        )


def _of_cards() -> Iterator[Matter]:
    if count := alerts.cards_in_question().count():
        yield Matter(
            title="Cards that don't fit what was asked for",
            means="They were not saved. Look at the provider's own pages; the customer can enter a card again.",
            table={
                "headers": ["Account", "Why"],
                "rows": [_row(one, _page(one), one.problem) for one in alerts.cards_in_question()[:SHOWN]],
            },
            count=count,
            url=_list(AutoTopUp),
        )


def _of_tasks() -> Iterator[Matter]:
    if count := overdue.waiting_long().count():
        yield Matter(
            title="Tasks that wait for a worker",
            means="For longer than five minutes. Do workers of the music queues run?",
            table={
                "headers": ["Task", "Since", "Model"],
                "rows": [
                    _row(one, _page(one), f"{one.created_at:%Y-%m-%d %H:%M} UTC", one.model) for one in overdue.waiting_long()[:SHOWN]
                ],
            },
            count=count,
            url=_list(Task, status__exact="queued"),
        )


def _row(named: object, url: str, *facts: object) -> list[str]:
    """Cells of Unfold's table, in the middle of their height also where it is narrow and each is a line of its own."""
    link = format_html(
        '<a href="{}" class="break-words min-w-0 self-center text-primary-600 text-right dark:text-primary-500">{}</a>', url, named
    )
    return [link, *(format_html('<span class="break-words min-w-0 self-center">{}</span>', fact) for fact in facts)]


def _list(model: type[Model], **filters: object) -> str:
    return f"{_address(model, 'changelist')}?{urlencode(filters)}"


def _page(row: Model) -> str:
    return _address(type(row), "change", quote(row.pk))


def _address(model: type[Model], page: str, *arguments: str) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)
