"""A customer and the client he uses, which knows nothing of beatra but its base URL and a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import openai
import pytest

from tests.customer import Customer


@pytest.fixture
def owner(customer: Callable[..., Customer]) -> Customer:
    """The account whose key `client` has."""
    return customer()


@pytest.fixture
def client(owner: Customer) -> Iterator[openai.OpenAI]:
    """OpenAI's own SDK. It retries what may be retried, twice, as it comes."""
    with openai.OpenAI(base_url=owner.v1, api_key=owner.token) as client:
        yield client
