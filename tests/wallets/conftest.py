"""Connections of their own, for what needs more than one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from wallets.audit import audit


@pytest.fixture
def clean_books(committed: None) -> Iterator[None]:
    """The whole test database's books are right after the test."""
    yield
    assert audit() == []
