"""POST /v1/chat/completions/quote: what a chat call would hold, before it is made.

Free, without a provider, and nothing is held: what `chat.admission` works out for the call itself is said instead of done. What the
call would be refused for, the quote is refused for too, but for want of credits, which is its answer.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.http import HttpRequest

from catalog import pricing
from chat import admission, document
from chat.admission import Call
from chat.view import ChatView
from contract.json_answer import JsonAnswer
from contract.operation import documented
from wallets import standing
from wallets.money import as_text
from wallets.standing import Standing


class ChatQuote(ChatView):
    @documented(document.QUOTE_CHAT_COMPLETION)
    async def post(self, request: HttpRequest) -> JsonAnswer:
        """Ask what a chat call would hold.

        And whether the wallet and the key's spend limits carry that now. The body is a chat completion's, streamed or not. Free: no
        provider is asked and nothing is held. What the call would be refused for, the quote is refused for too, but for want of credits,
        which is its answer.
        """
        call = await self.call_of(request, await self.json(request))
        wallet, room = await standing.of(call.caller.wallet_id), await standing.room_of(call.caller.key_id)
        return JsonAnswer(_quote(call, wallet, room_credits=room))


def _quote(call: Call, wallet: Standing, *, room_credits: Decimal | None) -> dict[str, Any]:
    """The shape `chat.answers.Quote`. Under `auto` the hold is that of the model tried first now, the most over all it may reach."""
    available = wallet.available_credits
    spendable = available if room_credits is None else min(available, room_credits)
    offers = admission.offers(call.request, call.candidates, text_tokens=call.text_tokens)
    affordable = pricing.affordable_output_tokens(
        call.model, call.route, prompt_tokens=call.offer.prompt_tokens, n=call.request.choices, available_credits=spendable
    )
    return {
        "object": "quote",
        "model": call.model.id,
        "hold_credits": as_text(call.offer.hold_credits),
        "most_credits": as_text(max(offer.hold_credits for offer in offers)),
        "available_credits": as_text(available),
        "affordable": call.offer.hold_credits <= spendable,
        "affordable_output_tokens": affordable,
    }
