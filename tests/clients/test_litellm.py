"""litellm as a client of ours: `openai/auto` with our base URL and key."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from tests.customer import Customer
from tests.servers import ROOT


@pytest.fixture(scope="module")
def owner(site: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[Customer]:
    """One customer for the one run of the program."""
    with django_db_blocker.unblock():
        yield Customer(site.v1)


@pytest.fixture(scope="module")
def came(owner: Customer) -> Any:
    """What the program printed."""
    command = [sys.executable, "-m", "tests.clients.ask_by_litellm", owner.v1, owner.token]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.splitlines()[-1])


def test_it_gets_an_answer_with_its_price(owner: Customer, came: Any):
    charged = {record.id: str(record.charged_credits) for record in owner.records}
    for answer in (came["sync"], *came["async"]):
        assert len(answer["text"].split()) == 5
        assert answer["credits"] == charged[answer["id"]]


def test_it_reads_our_streams(owner: Customer, came: Any):
    text, finish_reason = came["stream"]
    assert (len(text.split()), finish_reason) == (5, "stop")
    record = [record for record in owner.records if record.stream][1]
    assert came["async stream"] == [text, record.prompt_tokens, record.completion_tokens]
    assert record.status == "charged"


def test_its_tools_loop_comes_to_an_answer(came: Any):
    arguments, text = came["tools"]
    assert json.loads(arguments) == {"city": "Riga"}
    assert "degrees 7" in text


def test_our_errors_are_its_own_classes(came: Any):
    assert came["errors"] == {
        "key": ["AuthenticationError", 401],
        "model": ["BadRequestError", 400],
        "field": ["BadRequestError", 400],
        "provider": ["BadGatewayError", 502],
        "overloaded": ["ServiceUnavailableError", 503],
        "long": ["ContextWindowExceededError", 400],
    }
