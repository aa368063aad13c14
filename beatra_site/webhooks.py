"""The payment providers' webhooks: `/webhooks/stripe`, `/webhooks/sandbox`.

Here, above the keys, because a dispute suspends its account, and every process has to forget the account's keys.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.db import OperationalError, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from keys import forgetting
from wallets.automatic_top_ups import charging
from wallets.models import TopUp, WebhookEvent
from wallets.top_ups import payments, webhooks

logger = logging.getLogger(__name__)

_SUSPENDING = (WebhookEvent.Verdict.DISPUTED, WebhookEvent.Verdict.DISPUTE_LOST)


@csrf_exempt
@never_cache
@require_POST
def webhook(request: HttpRequest, provider: str) -> HttpResponse:
    """200 for whatever the provider has signed and needs not tell us again, refused or not; 400 without a word for what it has not.

    503 asks for another delivery later: the wallet is locked, or the provider must be asked something and is away.
    """
    configured = payments.by_name(provider)
    if configured is None or not configured.webhook_secret:
        return HttpResponse(status=404)
    try:
        event = payments.read_event(configured, request.body, signature=request.headers.get("Stripe-Signature", ""))
        return _take(configured, event)
    except payments.ForgedError:
        logger.warning("a webhook was forged", extra={"provider": provider})
        return HttpResponse(status=400)
    except payments.NoEventError:
        return HttpResponse(status=400)
    except (payments.ProviderError, OperationalError) as error:
        logger.warning("a webhook is put off", extra={"provider": provider, "error": type(error).__name__})
        return HttpResponse(status=503)


def _take(provider: payments.Configured, event: Mapping[str, Any]) -> HttpResponse:
    told = webhooks.read(provider, event)
    with transaction.atomic():
        row = webhooks.take(told)
        if row.verdict in _SUSPENDING and told.top_up is not None:
            forgetting.publish_account(told.top_up.wallet.account_id)
    if row.verdict == WebhookEvent.Verdict.FAILED and told.top_up is not None and told.top_up.kind == TopUp.Kind.AUTO:
        charging.call_back(told.top_up)
    return JsonResponse({"received": True})
