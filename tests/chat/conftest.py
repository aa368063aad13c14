"""Fixtures of the chat's tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from catalog.models import Model
from tests.chat.priced_model import priced_model

__all__ = ["model"]


@pytest.fixture(scope="module", params=["native", "litellm"])
def model(request: pytest.FixtureRequest, site: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A model at MiniMax's price, over one transport after the other: for what a call costs must not depend on it."""
    if request.param == "native":
        yield "MiniMax-M2.7"
        return
    with django_db_blocker.unblock():
        id = priced_model(site.v1, input_usd="0.0000003", output_usd="0.0000012", markup="1500", transport="litellm")
    yield id
    with django_db_blocker.unblock():  # while it is on, every web process imports litellm when it starts
        Model.objects.filter(id=id).update(enabled=False)
