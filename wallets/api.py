"""GET /v1/wallet and GET /v1/usage/{id}: what the key's account has, and what one of its calls cost."""

from __future__ import annotations

import re

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from contract.async_view import AsyncAPIView
from contract.errors import ApiError
from contract.json_answer import JsonAnswer
from contract.operation import documented
from wallets import document, standing
from wallets.models import UsageRecord
from wallets.money import as_text
from wallets.receipts import receipt

_ID = re.compile(r"(?:chatcmpl|tsk)_[0-9A-HJKMNP-TV-Z]{26}")


class WalletView(AsyncAPIView):
    """On the event loop: callers poll it."""

    @documented(document.GET_WALLET)
    async def get(self, request: HttpRequest) -> JsonAnswer:
        """Look up the wallet.

        The credits of this key's account, and what calls in flight hold of them.
        """
        wallet = await standing.of(request.auth.wallet_id)  # type: ignore[attr-defined]  # set by the view
        if wallet.credits_per_usd is None:
            raise LookupError("no credits-per-USD rate is in force: `manage.py seed` sets the site's")
        return JsonAnswer(
            {
                "object": "wallet",
                "balance": as_text(wallet.balance),
                "held": as_text(wallet.held),
                "available": as_text(wallet.available_credits),
                "credits_per_usd_rate": as_text(wallet.credits_per_usd),
            }
        )


class UsageView(APIView):
    @documented(document.GET_USAGE)
    def get(self, request: Request, id: str) -> Response:
        """Look up the receipt of a call or a task.

        Of any key of this account. Another account's is as unknown as one that never was.
        """
        record = UsageRecord.objects.filter(wallet=request.auth.wallet_id, pk=id).first() if _ID.fullmatch(id) else None
        if record is None:
            raise ApiError("not_found", "There is no such usage record.")
        return Response(receipt(record))
