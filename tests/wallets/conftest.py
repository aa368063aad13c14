"""Connections of their own, for what needs more than one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import connection

from wallets.audit import audit


@pytest.fixture
def connect(committed: None) -> Iterator[Callable[[], psycopg.Connection]]:
    """Opens one more connection to the test database, in autocommit; closed at the end."""
    opened: list[psycopg.Connection] = []

    def open_one() -> psycopg.Connection:
        given = connection.settings_dict
        named = {name.lower(): given[name] for name in ("USER", "PASSWORD", "HOST", "PORT") if given[name]}
        opened.append(psycopg.connect(dbname=given["NAME"], autocommit=True, **named))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture
def clean_books(committed: None) -> Iterator[None]:
    """The whole test database's books are right after the test."""
    yield
    assert audit() == []
