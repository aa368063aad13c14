"""Welcome credits: once per verified mailbox, however many accounts it opens."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.utils.crypto import salted_hmac

from wallets import ledger
from wallets.models import EntryKind, LedgerEntry, Wallet


def grant_welcome(wallet: Wallet, *, mailbox: str) -> LedgerEntry | None:
    """Give `settings.WELCOME_CREDITS` to the wallet of a verified `mailbox`; None when there is nothing to give or it had them.

    The mailbox is the e-mail address lower-cased and without its plus-tag. The ledger keeps an HMAC of it, not the address, so
    that the books hold no personal data once an account is closed.
    """
    if settings.WELCOME_CREDITS <= 0:
        return None
    reference = f"welcome:{salted_hmac('wallets.welcome', canonical(mailbox), algorithm='sha256').hexdigest()}"
    try:
        with transaction.atomic():
            if LedgerEntry.objects.filter(reference=reference).exists():
                return None
            return ledger.credit(wallet, kind=EntryKind.WELCOME, amount=settings.WELCOME_CREDITS, reference=reference)
    except ledger.ReferenceTakenError:
        return None


def canonical(mailbox: str) -> str:
    """`Ann+beatra@Example.com` is ann@example.com's mailbox."""
    local, _, domain = mailbox.strip().lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"
