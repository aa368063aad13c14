"""httpx's functions, with the patience that a machine needs which does much else: by default they give up after five seconds."""

from functools import partial

import httpx

SECONDS = 60

get, head, options, post, delete, request, stream = (
    partial(function, timeout=SECONDS)
    for function in (httpx.get, httpx.head, httpx.options, httpx.post, httpx.delete, httpx.request, httpx.stream)
)
