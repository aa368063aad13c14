"""`/checkout`: the API for the gateway and the pages for its customers."""

from __future__ import annotations

from pathlib import Path

from beatra_site.sandbox.checkout.api import Api
from beatra_site.sandbox.checkout.book import Book
from beatra_site.sandbox.checkout.card_pages import CardPages
from beatra_site.sandbox.checkout.cards import Cards
from beatra_site.sandbox.checkout.cards_api import CardsApi
from beatra_site.sandbox.checkout.deliveries import Deliveries
from beatra_site.sandbox.checkout.events import Events
from beatra_site.sandbox.checkout.pages import Pages
from beatra_site.sandbox.exchange import Exchange


class CheckoutProvider:
    """One provider. `key` is the only API key it takes, `secret` signs its webhooks; without a key nobody gets a checkout.

    `public_url` is where browsers find the sandbox, if that is not where the gateway does.
    """

    def __init__(self, *, key: str, secret: str, public_url: str) -> None:
        book = Book()
        deliveries = Deliveries(secret=secret)
        events = Events(book, deliveries)
        cards = Cards()
        self._api = Api(book, events, cards=CardsApi(cards, deliveries), key=key, public_url=public_url)
        self._card_pages = CardPages(cards, deliveries)
        self._pages = Pages(book, events)
        self._css = Path(__file__).with_name("checkout.css").read_bytes()

    async def __call__(self, exchange: Exchange) -> None:
        """Answers one request below `/checkout`."""
        match exchange.path.split("/")[2:3]:
            case ["v1"]:
                await self._api(exchange)
            case ["pay"]:
                await self._pages(exchange)
            case ["card"]:
                await self._card_pages(exchange)
            case ["checkout.css"]:
                await exchange.answer(200, self._css, content_type="text/css; charset=utf-8")
            case _:
                await exchange.json(404, {"error": {"message": "No such path in the sandbox", "type": "invalid_request_error"}})
