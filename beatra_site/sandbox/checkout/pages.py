"""What the customer of a checkout sees: a form for a card, then, for whoever tries things out, what can happen to the payment.

GET  /checkout/pay/<session>             the form, or what became of it
POST /checkout/pay/<session>             pays (`number`), then goes back to the shop
POST /checkout/pay/<session>/<control>   arrive, refund, refund_half, dispute, won, lost
"""

from __future__ import annotations

from html import escape
from typing import Final
from urllib.parse import parse_qs, urlsplit

from beatra_site.sandbox.checkout.book import Book, Session
from beatra_site.sandbox.checkout.deliveries import Returns
from beatra_site.sandbox.checkout.events import LATER_SECONDS, Events
from beatra_site.sandbox.exchange import Exchange

PAYS: Final = "4242424242424242"
DECLINED: Final = {
    "4000000000000002": "Your card was declined.",
    "4000000000009995": "Your card has insufficient funds.",
    "4000000000000069": "Your card has expired.",
}
ARRIVES: Final = "000123456789"
BOUNCES: Final = "000111111116"

_NUMBERS: Final = (
    ("4242 4242 4242 4242", "pays at once"),
    ("4000 0000 0000 0002", "is declined"),
    ("4000 0000 0000 9995", "has insufficient funds"),
    ("000123456789", f"a bank account: the money arrives {LATER_SECONDS} seconds later"),
    ("000111111116", f"a bank account: the transfer fails {LATER_SECONDS} seconds later"),
)


class Pages:
    """The pages of the checkouts in `book`."""

    def __init__(self, book: Book, events: Events) -> None:
        self._book = book
        self._events = events

    async def __call__(self, exchange: Exchange) -> None:
        body = await exchange.body()
        steps = exchange.path.rstrip("/").split("/")[3:]
        session = self._book.session(steps[0]) if steps else None
        match exchange.method, steps[1:]:
            case _ if session is None:
                await show(
                    exchange, 404, page("This checkout is not known here", "<p>It may be from before the sandbox was restarted.</p>")
                )
            case "GET", []:
                await show(exchange, 200, _page_of(session), session)
            case "POST", []:
                number = parse_qs(body.decode("utf-8", "replace")).get("number", [""])[0]
                await self._pay(exchange, session, "".join(number.split()))
            case "POST", [control] if self._do(session, control):
                await go(exchange, f"/checkout/pay/{session.id}")
            case _:
                await show(exchange, 404, page("No such page", ""))

    async def _pay(self, exchange: Exchange, session: Session, number: str) -> None:
        problem = DECLINED.get(number, "This is none of the sandbox's numbers. Never enter a real card here.")
        if number == PAYS:
            self._events.pay(session)
        elif number in (ARRIVES, BOUNCES):
            self._events.pay_later(session, bounces=number == BOUNCES)
        elif session.status == "open":
            await show(exchange, 402, _page_of(session, number=number, problem=problem), session)
            return
        await go(exchange, session.success_url if session.status == "complete" else f"/checkout/pay/{session.id}")

    def _do(self, session: Session, control: str) -> bool:
        match control:
            case "arrive":
                self._events.decide(session)
            case "refund":
                self._events.refund(session, session.amount)
            case "refund_half":
                self._events.refund(session, session.amount // 2)
            case "dispute":
                self._events.dispute(session)
            case "won" | "lost":
                self._events.close_dispute(session, won=control == "won")
            case _:
                return False
        return True


async def go(exchange: Exchange, url: str) -> None:
    """Sends a browser there."""
    await exchange.answer(303, b"", content_type="text/plain", headers={"location": url, "cache-control": "no-store"})


async def show(exchange: Exchange, status: int, html: str, session: Returns | None = None) -> None:
    """A page, on a checkout that sends its browser back to a shop."""
    # A browser checks where a form is sent on to as well: back to the shop
    shop = urlsplit(session.success_url) if session else None
    back = f" {shop.scheme}://{shop.netloc}" if shop else ""
    policy = f"default-src 'none'; style-src 'self'; form-action 'self'{back}; base-uri 'none'; frame-ancestors 'none'"
    headers = {"content-security-policy": policy, "cache-control": "no-store", "referrer-policy": "no-referrer"}
    await exchange.answer(status, html.encode(), content_type="text/html; charset=utf-8", headers=headers)


def page(title: str, content: str) -> str:
    """The HTML of a page around its content."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>{escape(title)} - sandbox checkout</title>
<link rel="stylesheet" href="/checkout/checkout.css">
</head>
<body>
<p class="sandbox">Sandbox: no money moves here</p>
<main>
<h1>{escape(title)}</h1>
{content}
</main>
</body>
</html>
"""


def _page_of(session: Session, *, number: str = PAYS, problem: str = "") -> str:
    price = f"${session.amount / 100:,.2f}"
    if session.status == "open":
        return page(f"Pay {price}", _form(session, price, number=number, problem=problem))
    if session.status == "expired":
        content = '<p>This checkout has expired. Nothing was paid.</p><p><a href="%s">Back to the shop</a></p>'
        return page("Expired", content % escape(session.cancel_url or session.success_url))
    payment = session.payment
    assert payment is not None
    said, controls = "", []
    if session.on_its_way:
        said, controls = "The money is on its way from the bank.", [("arrive", "Let the bank decide now")]
    elif session.lost:
        said = "The bank's transfer failed. Nothing was paid."
    elif payment.dispute is not None:
        said = f"The customer's bank took ${payment.dispute.amount / 100:,.2f} back ({payment.dispute.status.replace('_', ' ')})."
        if payment.dispute.status == "needs_response":
            controls = [("won", "Decide for the shop"), ("lost", "Decide for the customer")]
    else:
        said = f"{price} was paid."
        if payment.refunded:
            said += f" ${payment.refunded / 100:,.2f} of it was given back."
        if payment.refunded < payment.amount:
            controls = [("refund_half", "Refund half"), ("refund", "Refund all"), ("dispute", "Dispute the payment")]
    buttons = "".join(
        f'<form method="post" action="/checkout/pay/{session.id}/{name}"><button>{text}</button></form>' for name, text in controls
    )
    tried = (
        f"<h2>Try what can happen to a payment</h2><p>A dispute suspends the account until staff reopen it.</p>{buttons}" if buttons else ""
    )
    back = f'<p><a class="main" href="{escape(session.success_url)}">Back to the shop</a></p>'
    return page(session.product, f"<p>{said}</p>{back}{tried}")


def _form(session: Session, price: str, *, number: str, problem: str) -> str:
    rows = "".join(f"<tr><td><code>{escape(text)}</code></td><td>{escape(means)}</td></tr>" for text, means in _NUMBERS)
    alert = f'<p class="problem" role="alert" id="problem">{escape(problem)}</p>' if problem else ""
    described = ' aria-invalid="true" aria-describedby="problem"' if problem else ""
    spaced = " ".join(number[at : at + 4] for at in range(0, len(number), 4)) if len(number) == 16 else number
    cancel = f'<a href="{escape(session.cancel_url)}">Cancel and go back</a>' if session.cancel_url else ""
    return f"""<p class="what">{escape(session.product)}</p>
<form method="post" action="/checkout/pay/{session.id}">
{alert}
<label>Email<input type="email" value="{escape(session.email)}" readonly></label>
<label>Card or bank account number
<input name="number" value="{escape(spaced)}" inputmode="numeric" autocomplete="off" maxlength="40" required{described}></label>
<div class="pair">
<label>Expires<input value="12 / 34" autocomplete="off" readonly></label>
<label>CVC<input value="123" autocomplete="off" readonly></label>
</div>
<button class="main">Pay {price}</button>
</form>
<p class="cancel">{cancel}</p>
<table><caption>Numbers to try</caption><tbody>{rows}</tbody></table>"""
