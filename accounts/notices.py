"""Mails about an account's money and keys: a receipt, a cap that is nearly used up, a wallet that runs low.

Whoever causes one tells it in the transaction that makes it true (`tell`): a row, unique by its reference, so that nothing is said
about what was rolled back, and nothing twice. Beat sends what is due (`send`), so a mail server that is away delays a mail and loses
none. A process that dies between sending and writing so sends it again: at least once, and as a rule once.
"""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from celery import shared_task
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import QuerySet
from django.template import Context, Engine
from django.utils import timezone

from accounts.models import Account, Notice

logger = logging.getLogger(__name__)

# Mails of one round; the rest waits for the next
MOST = 50
MOST_TRIES = 12
# Longer than sending takes: until then nobody else tries
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)


def tell(account: Account | int, kind: str, *, reference: str, context: Mapping[str, Any]) -> bool:
    """Mail the account's owner `templates/mail/<kind>.txt`, in the caller's transaction. Returns whether it had not been told before.

    `reference` names what happened once and for all (`topup:<id>`). `context` is JSON, amounts as text; the template also has `account`,
    `site_url` and `support_email`. Its first line is the subject, the text begins after an empty one.
    Never put a secret or a prompt into it.
    """
    row = Notice(account_id=account if isinstance(account, int) else account.pk, kind=kind, reference=reference, context=dict(context))
    Notice.objects.bulk_create([row], ignore_conflicts=True)
    return Notice.objects.filter(pk=row.pk).exists()


def send() -> int:
    """Send what is due, each mail outside any transaction, MOST at a time. Returns how many left.

    A mail server that can't be reached ends the round: each mail would wait for it.
    """
    sent = 0
    for _ in range(MOST):
        if (notice := _claim()) is None:
            break
        try:
            _mail(notice)
        except Exception as error:
            # By its name only: an SMTP error quotes addresses
            last = notice.tries >= MOST_TRIES
            level = logging.ERROR if last else logging.WARNING
            logger.log(level, "notice not sent", extra={"notice": notice.pk, "kind": notice.kind, "error": type(error).__name__})
            if _is_away(error):
                break
        else:
            Notice.objects.filter(pk=notice.pk).update(sent_at=timezone.now())
            sent += 1
    return sent


def _is_away(error: Exception) -> bool:
    """Whether no mail can leave, rather than this one."""
    if isinstance(error, smtplib.SMTPException):
        lost = smtplib.SMTPServerDisconnected | smtplib.SMTPConnectError | smtplib.SMTPHeloError | smtplib.SMTPAuthenticationError
        return isinstance(error, lost)
    return isinstance(error, OSError)


def given_up(within: timedelta) -> QuerySet[Notice]:
    """The mails that MOST_TRIES tries could not send and nobody tries again, the last of them `within` such a time; the newest first."""
    # Every try sets the next one, also the last; read by the index of what is unsent
    tried_after = timezone.now() - within + LONGEST_PAUSE
    return Notice.objects.filter(sent_at=None, tries__gte=MOST_TRIES, next_try_at__gt=tried_after).order_by("-next_try_at", "-id")


def _claim() -> Notice | None:
    """The next one that is due, put off for whoever else looks."""
    now = timezone.now()
    due = Notice.objects.filter(next_try_at__lte=now, sent_at=None, tries__lt=MOST_TRIES).order_by("next_try_at")
    with transaction.atomic():
        notice = due.select_for_update(skip_locked=True, of=("self",)).select_related("account__user").first()
        if notice is None:
            return None
        notice.next_try_at = now + min(FIRST_PAUSE * 2**notice.tries, LONGEST_PAUSE)
        notice.tries += 1
        notice.save(update_fields=["tries", "next_try_at"])
    return notice


def _mail(notice: Notice) -> None:
    account = notice.account
    if account.status == Account.Status.CLOSED:
        return
    context = {**notice.context, "account": account, "site_url": settings.SITE_URL, "support_email": settings.SUPPORT_EMAIL}
    template = Engine.get_default().get_template(f"mail/{notice.kind}.txt")
    subject, text = template.render(Context(context, autoescape=False)).split("\n", 1)
    EmailMessage(subject.strip(), text.strip() + f"\n\nbeatra\n{settings.SITE_URL}\n", to=[account.user.email]).send()


@shared_task(name="accounts.send_notices", ignore_result=True)
def send_notices() -> None:
    """Run by beat every 10 seconds."""
    send()
