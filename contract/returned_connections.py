"""Middleware: a request's connection to the database goes back as soon as its answer is made.

Django gives it back when the answer has been sent. How long that takes is up to who reads it, and a few who never do would hold all that
the pool has. An answer that streams asks for a connection of its own for each piece, and gives it back itself.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase


def returned_connections(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """The outermost of MIDDLEWARE: those within still write."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        try:
            return get_response(request)
        finally:
            give_back()

    return middleware


def give_back() -> None:
    """This thread's connection, to the pool. Within a transaction, which only a test has around a request, it stays."""
    if not connection.in_atomic_block:
        connection.close()
