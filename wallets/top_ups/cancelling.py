"""A customer drops a checkout that is not paid. Only the provider can end it: what it says, be it that it was paid, is done."""

from __future__ import annotations

import logging

from wallets.models import TopUp
from wallets.top_ups import checkout_settling, payments, problems, topups
from wallets.top_ups.comparing import RefusedError

logger = logging.getLogger(__name__)


def is_cancellable(top_up: TopUp) -> bool:
    """Whether its checkout may still be open, and nobody is through with it."""
    waits = top_up.status == TopUp.Status.PENDING and top_up.submitted_at is None
    return waits and top_up.kind == TopUp.Kind.CHECKOUT and bool(top_up.session_id)


def cancel(top_up: TopUp) -> TopUp:
    """Have the provider close the checkout, and ask how it stands. Returns the top-up as it is then, paid after all perhaps.

    Not to be called inside a transaction. Raises topups.ProviderAwayError, whose text is for the customer, when it can't be told.
    """
    provider = payments.by_name(top_up.provider)
    if provider is None or not is_cancellable(top_up):
        return top_up
    try:
        session = _ended(provider, top_up.session_id)
    except payments.ProviderError as error:
        raise topups.ProviderAwayError from error
    try:
        checkout_settling.settle(top_up, session)
    except RefusedError as refused:
        problems.note(top_up, str(refused))
    top_up.refresh_from_db()
    return top_up


def _ended(provider: payments.Configured, session_id: str) -> payments.Session:
    try:
        return payments.expire_checkout(provider, session_id)
    except payments.RefusedQuestionError:
        # Not open any more: how it ended is what counts
        return payments.look_up(provider, session_id)
