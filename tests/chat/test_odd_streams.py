"""Providers that end their choices oddly: no finish_reason before the charge, nothing that was not asked for, no word for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.chat.events import opened, streamed
from tests.chat.priced_model import priced_model
from tests.chat.raw_provider import RawProvider, chunked, delta, events, said, whole
from tests.gate import assert_nothing_held

COUNTED = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}


@pytest.fixture(scope="module")
def raw(site: Any) -> Iterator[RawProvider]:
    with RawProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def odd(site: Any, raw: RawProvider, django_db_setup: None, django_db_blocker: Any) -> str:
    """A model whose provider is `raw`."""
    with django_db_blocker.unblock():
        return priced_model(site.v1, base_url=raw.base_url, supported_fields=["n", "logprobs"])


def assert_whole(answer: Any, content: str, reason: str = "stop") -> None:
    """One choice, `choices[0]` on every chunk, and the usage on the one chunk with a finish_reason, the last."""
    assert (answer.content, answer.reasons, answer.done) == (content, [reason], True)
    assert all([choice["index"] for choice in chunk["choices"]] == [0] for chunk in answer.chunks)
    assert answer.chunks[-1]["choices"][0]["finish_reason"] == reason
    assert answer.chunks[-1]["usage"]["credits"]


def test_a_finish_reason_that_was_not_the_last_word_waits_on(customer, raw, odd):
    raw.then(events(delta(content="one", finish="stop"), delta(content=" two"), delta(finish="length"), COUNTED))
    owner = customer()
    assert_whole(streamed(owner, model=odd), "one two", "length")
    assert owner.record.clause == "complete"


def test_a_finish_reason_on_every_chunk_is_sent_once(customer, raw, odd):
    raw.then(events(*(delta(content=word, finish="stop") for word in ("one", " two", " three")), COUNTED))
    assert_whole(streamed(customer(), model=odd), "one two three")


def test_output_after_a_finish_reason_and_then_a_failure_is_not_complete(customer, raw, odd):
    raw.then(events(delta(content="one", finish="stop"), delta(content=" two"), {"error": {"message": "broken", "code": 500}}))
    owner = customer()
    answer = streamed(owner, model=odd)
    assert (answer.reasons, answer.done, answer.error["code"]) == ([], False, "upstream_error")
    assert (owner.record.clause, owner.record.charged_credits) == ("upstream_failed", 0)
    assert_nothing_held(owner)


def test_choices_that_nobody_asked_for_go_nowhere(customer, raw, odd):
    raw.then(
        events(delta(content="one"), delta(7, content="other", finish="stop"), delta(10**9, content="x"), delta(finish="stop"), COUNTED)
    )
    assert_whole(streamed(customer(), model=odd), "one")
    answer = said("one")
    answer["choices"] += [{**answer["choices"][0], "index": 1}]
    raw.then(whole(answer))
    assert len(customer().chat(model=odd).json()["choices"]) == 1


def test_a_finish_of_another_choice_ends_nothing(customer, raw, odd):
    raw.then(events(delta(content="half"), delta(5, finish="stop")))
    owner = customer()
    answer = streamed(owner, model=odd)
    assert (answer.error["code"], answer.done) == ("upstream_error", False)
    assert owner.record.clause == "upstream_failed"


def test_an_answer_without_a_word_and_without_counts_costs_nothing(customer, raw, odd):
    raw.then(events(delta(finish="stop")))
    owner = customer()
    assert_whole(streamed(owner, model=odd), "")
    assert (owner.record.clause, owner.record.charged_credits) == ("empty", 0)
    assert_nothing_held(owner)


def test_log_probabilities_come_also_without_text(customer, raw, odd):
    logprobs = {"content": [{"token": "\ufffd", "logprob": -0.5, "bytes": [240], "top_logprobs": []}], "refusal": None}
    part = delta(content="")
    part["choices"][0]["logprobs"] = logprobs
    raw.then(events(delta(content="one"), part, delta(finish="stop"), COUNTED))
    answer = streamed(customer(), model=odd, logprobs=True)
    assert [choice["logprobs"] for chunk in answer.chunks for choice in chunk["choices"] if choice["logprobs"]] == [logprobs]


def test_output_far_beyond_the_limit_ends_the_stream_and_costs_no_more_than_the_limit(customer, raw, odd):
    raw.then(chunked(*(b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % (b"word " * 2000) for _ in range(50))))
    owner = customer()
    answer = streamed(owner, model=odd, max_tokens=10)
    assert (answer.reasons, answer.done) == (["length"], True)
    record = owner.record
    assert (record.clause, record.completion_tokens) == ("cut_by_limit", 10)
    assert record.charged_credits <= record.hold_credits
    assert [attempt["outcome"] for attempt in record.attempts] == ["cut_by_limit"]


def test_an_answer_is_charged_only_if_it_can_be_written(customer, raw, odd):
    answer = said("half a character: \ud800")
    answer["choices"][0]["logprobs"] = {"content": [{"token": "a", "logprob": -1, "bytes": [2**70]}]}
    raw.then(whole(answer))
    owner = customer()
    assert (owner.chat(model=odd).status_code == 200) == (owner.record.status == "charged")
    assert_nothing_held(owner)


@pytest.mark.parametrize("include_usage", [False, True])
def test_no_finish_reason_is_sent_before_the_charge_though_the_provider_goes_on(customer, raw, odd, include_usage):
    """The record is closed when the first finish_reason is read, whatever came between."""
    raw.then(events(delta(content="one", finish="stop"), *(delta(content=" more") for _ in range(3)), delta(finish="stop"), COUNTED))
    owner = customer()
    with opened(owner, "hi", model=odd, stream_options={"include_usage": include_usage}) as response:
        got = ""
        for part in response.iter_text():
            got += part
            if '"finish_reason":"' in got:
                break
        assert owner.record.status == "charged"
