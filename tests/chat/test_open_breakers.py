"""Routes whose breaker is open: nobody waits for them, and what is held is for the route that is tried instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.chat.priced_model import priced_model
from tests.chat.raw_provider import RawProvider, whole
from tests.contract.wire import eventually
from tests.customer import Customer
from tests.gate import assert_nothing_held

REFUSED = whole({"error": {"message": "bad temperature"}}, status="400 Bad Request")
DEAD = whole({"error": {"message": "on fire"}}, status="500 Internal Server Error")
NOWHERE = "http://127.0.0.1:9/v1"
QUOTE = "/chat/completions/quote"


@pytest.fixture(scope="module")
def web(site: Any) -> Iterator[Any]:
    """A web process whose breakers open soon."""
    web = site.start_web({"BREAKER_FAILURES": "2", "CHAT_FIRST_OUTPUT_SECONDS": "1"})
    yield web
    web.stop()


@pytest.fixture
def owner(web: Any, committed: None) -> Callable[[], Customer]:
    return lambda: Customer(web.v1)


def outcomes(owner: Customer) -> list[tuple[str, str]]:
    return [(line["route"], line["outcome"]) for line in owner.record.attempts]


@pytest.mark.parametrize("stream", [False, True], ids=["sync", "stream"])
def test_an_open_route_is_passed_over(web, owner, stream: bool):
    model = priced_model(web.v1, base_url=NOWHERE, backups=[""])
    for caller in (owner(), owner()):
        assert caller.chat(model=model, stream=stream).status_code == 200
        assert outcomes(caller) == [("sandbox", "upstream_error"), ("backup-1", "answered")]
    third = owner()
    assert third.chat(model=model, stream=stream).status_code == 200
    assert outcomes(third) == [("backup-1", "answered")]
    assert_nothing_held(third)


@pytest.mark.parametrize("stream", [False, True], ids=["sync", "stream"])
def test_a_model_whose_every_route_is_open_is_unavailable_and_nothing_is_held(web, owner, stream: bool):
    model = priced_model(web.v1, base_url=NOWHERE)
    for caller in (owner(), owner()):
        assert caller.chat(model=model, stream=stream).json()["error"]["code"] == "upstream_error"
    third = owner()
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    for path in ("/chat/completions", QUOTE):
        response = third.http.post(path, json=body)
        assert (response.status_code, response.json()["error"]["code"]) == (503, "model_unavailable")
        assert int(response.headers["retry-after"]) > 0
        assert "'auto'" in response.json()["error"]["message"]
    assert third.records == []
    assert_nothing_held(third)


def test_time_outs_before_the_first_output_count(web, owner):
    model = priced_model(web.v1)
    for caller in (owner(), owner()):
        assert caller.chat("[[stall_ms=forever]]", model=model, stream=True).json()["error"]["code"] == "upstream_timeout"
    assert owner().chat(model=model).json()["error"]["code"] == "model_unavailable"


@pytest.mark.parametrize("stream", [False, True], ids=["sync", "stream"])
def test_what_is_no_illness_of_the_providers_opens_nothing(web, owner, stream: bool):
    model = priced_model(web.v1)
    for status in (400, 404, 413, 422, 401, 402, 403, 405, 410, 451):
        assert owner().chat(f"[[status={status}]]", model=model, stream=stream).status_code >= 400
    assert owner().chat(model=model, stream=stream).status_code == 200


def test_an_answer_that_broke_off_opens_nothing_since_the_route_had_answered(web, owner):
    model = priced_model(web.v1)
    for caller in (owner(), owner(), owner()):
        assert "upstream_error" in caller.chat("[[cut=abrupt cut_at=3]]", model=model, stream=True).text
    assert owner().chat(model=model).status_code == 200


def test_a_refusal_does_not_keep_a_dead_route_in_use(web, owner):
    with RawProvider(DEAD, REFUSED, DEAD) as raw:
        model = priced_model(web.v1, base_url=raw.base_url)
        codes = [owner().chat(model=model).json()["error"]["code"] for _ in range(4)]
    assert codes == ["upstream_error", "invalid_request", "upstream_error", "model_unavailable"]


def test_a_trial_that_is_refused_leaves_the_route_open_for_another(web, owner):
    with RawProvider(DEAD, DEAD, REFUSED, DEAD) as raw:
        model = priced_model(web.v1, base_url=raw.base_url)
        callers = [owner() for _ in range(3)]

        def code() -> str:
            error: str = callers[2].chat(model=model).json()["error"]["code"]
            return error

        for caller in callers[:2]:
            assert caller.chat(model=model).json()["error"]["code"] == "upstream_error"
        assert eventually(lambda: code() == "invalid_request", seconds=30)
        assert eventually(lambda: code() == "upstream_error", seconds=30)
        assert code() == "model_unavailable"
        assert len(raw.requests) == 4
