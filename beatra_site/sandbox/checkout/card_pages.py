"""What a customer sees who saves a card.

GET  /checkout/card/<session>   the form, or what became of it
POST /checkout/card/<session>   saves the card (`number`), then goes back to the shop
"""

from __future__ import annotations

from html import escape
from typing import Final
from urllib.parse import parse_qs

from beatra_site.sandbox.checkout.cards import SAVED, Cards, Setup
from beatra_site.sandbox.checkout.deliveries import Deliveries
from beatra_site.sandbox.checkout.pages import DECLINED, go, page, show
from beatra_site.sandbox.exchange import Exchange

_NUMBERS: Final = (
    ("4242 4242 4242 4242", "can be charged"),
    ("4000 0000 0000 0341", "is saved, but every payment is declined"),
    ("4000 0027 6000 3184", "is saved, but its bank wants to see its owner at every payment"),
    ("4000 0000 0000 0002", "is declined at once"),
)


class CardPages:
    """The pages of the setups in `cards`."""

    def __init__(self, cards: Cards, deliveries: Deliveries) -> None:
        self._cards = cards
        self._tell = deliveries.tell

    async def __call__(self, exchange: Exchange) -> None:
        body = await exchange.body()
        setup = self._cards.setups.get(exchange.path.rstrip("/").split("/")[3:4][0] if exchange.path.count("/") > 2 else "")
        if setup is None:
            await show(exchange, 404, page("This page is not known here", "<p>It may be from before the sandbox was restarted.</p>"))
        elif exchange.method == "POST":
            await self._save(exchange, setup, "".join(parse_qs(body.decode("utf-8", "replace")).get("number", [""])[0].split()))
        else:
            await show(exchange, 200, _page_of(setup), setup)

    async def _save(self, exchange: Exchange, setup: Setup, number: str) -> None:
        if setup.status == "open" and number not in SAVED:
            problem = DECLINED.get(number, "This is none of the sandbox's numbers. Never enter a real card here.")
            await show(exchange, 402, _page_of(setup, number=number, problem=problem), setup)
            return
        if setup.status == "open":
            self._cards.save(setup, number)
            self._tell(setup, "checkout.session.completed", setup.as_json())
        await go(exchange, setup.success_url if setup.status == "complete" else f"/checkout/card/{setup.id}")


def _page_of(setup: Setup, *, number: str = "4242424242424242", problem: str = "") -> str:
    if setup.status == "complete":
        return page("Saved", f'<p>Your card is saved.</p><p><a class="main" href="{escape(setup.success_url)}">Back to the shop</a></p>')
    if setup.status == "expired":
        content = f'<p>This page has expired. No card was saved.</p><p><a href="{escape(setup.cancel_url)}">Back to the shop</a></p>'
        return page("Expired", content)
    rows = "".join(f"<tr><td><code>{escape(text)}</code></td><td>{escape(means)}</td></tr>" for text, means in _NUMBERS)
    alert = f'<p class="problem" role="alert" id="problem">{escape(problem)}</p>' if problem else ""
    described = ' aria-invalid="true" aria-describedby="problem"' if problem else ""
    spaced = " ".join(number[at : at + 4] for at in range(0, len(number), 4))[:40]
    content = f"""<p class="what">The shop may charge this card later, while you are away, as you have agreed with it.</p>
<form method="post" action="/checkout/card/{setup.id}">
{alert}
<label>Card number
<input name="number" value="{escape(spaced)}" inputmode="numeric" autocomplete="off" maxlength="40" required{described}></label>
<div class="pair">
<label>Expires<input value="12 / 34" autocomplete="off" readonly></label>
<label>CVC<input value="123" autocomplete="off" readonly></label>
</div>
<button class="main">Save the card</button>
</form>
<p class="cancel"><a href="{escape(setup.cancel_url)}">Cancel and go back</a></p>
<table><caption>Numbers to try</caption><tbody>{rows}</tbody></table>"""
    return page("Save a card", content)
