"""The web process: `beatra_site.asgi:application`, served by uvicorn with the arguments of beatra_site/embedded/web.py.

One edge around two handlers: the lean one for what the event loop answers by itself, Django's for the rest.
"""

import os

from django.core.asgi import get_asgi_application

from contract.sized_request import SizedRequest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "beatra_site.settings")
django = get_asgi_application()
django.request_class = SizedRequest

# ruff: noqa: E402 — the apps can be imported only now
from catalog import breaker, snapshot
from chat import lifetime
from chat.upstream import transports
from contract import token_bucket
from contract.asgi import Receive, Scope, Send
from contract.edge import Edge
from contract.heap import settle_heap
from contract.lean_handler import LeanHandler
from contract.lifespan import Lifespan, heed_signals
from keys import forgetting, last_use
from wallets import committer, heartbeat, pool, strays

LEAN_PATHS = frozenset({"/v1/health", "/v1/wallet", "/v1/uploads", "/uploads/send", "/livez", "/readyz", "/openapi.json", "/openapi.yaml"})
LEAN_PREFIXES = ("/v1/chat/", "/v1/models", "/v1/catalog/", "/files/")

lean = LeanHandler()
lifespan = Lifespan(
    startup=[
        heed_signals,
        pool.open,
        committer.start,
        heartbeat.start,
        strays.start,
        snapshot.load,
        last_use.start,
        token_bucket.start,
        forgetting.start,
        breaker.start,
        transports.open,
        lifetime.start,
        settle_heap,
    ],
    shutdown=[
        pool.close,
        heartbeat.stop,
        committer.stop,
        strays.stop,
        last_use.stop,
        token_bucket.stop,
        forgetting.stop,
        breaker.stop,
        transports.close,
        lifetime.drain,
    ],
)


async def route(scope: Scope, receive: Receive, send: Send) -> None:
    """The handler of a path."""
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    elif scope["path"].startswith(LEAN_PREFIXES) or scope["path"] in LEAN_PATHS:
        await lean(scope, receive, send)
    else:
        await django(dict(scope), receive, send)


application = Edge(route)
