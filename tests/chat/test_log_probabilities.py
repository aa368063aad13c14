"""Log probabilities, many times the size of what they are of: how many may be asked for, and what becomes of a provider who sends more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chat import admission
from chat.schema import parse
from contract import limits
from contract.errors import ApiError
from tests.catalog.catalog_objects import model
from tests.chat.events import streamed
from tests.chat.priced_model import priced_model
from tests.chat.raw_provider import RawProvider, delta, events
from tests.chat.test_bad_input import assert_refused, assert_untouched
from tests.gate import assert_nothing_held

COUNTED = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}


@pytest.fixture(scope="module")
def raw(site: Any) -> Iterator[RawProvider]:
    with RawProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def probable(site: Any, raw: RawProvider, django_db_setup: None, django_db_blocker: Any) -> str:
    """A model with log probabilities whose provider is `raw`."""
    with django_db_blocker.unblock():
        return priced_model(
            site.v1,
            base_url=raw.base_url,
            supported_fields=["n", "logprobs", "top_logprobs"],
            max_output_tokens=60_000,
            context_window=70_000,
        )


def piece(text: str, *, top: int, tokens: int = 1) -> dict[str, Any]:
    """A chunk of so many tokens with the `top` likeliest beside each."""
    one = {"token": text, "logprob": -0.123456789, "bytes": list(text.encode())}
    chunk = delta(content=text * tokens)
    chunk["choices"][0]["logprobs"] = {"content": [{**one, "top_logprobs": [one] * top}] * tokens, "refusal": None}
    return chunk


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"top_logprobs": 20, "n": 8, "max_tokens": 16_000}, "/top_logprobs"),
        ({"top_logprobs": 20, "max_completion_tokens": 4762}, "/top_logprobs"),
        ({"n": 2, "max_tokens": 50_001}, "/n"),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["sync", "stream"])
@pytest.mark.parametrize("path", ["/chat/completions", "/chat/completions/quote"])
def test_more_than_an_answer_may_carry_are_refused(customer, raw, probable, path: str, stream: bool, fields: dict[str, Any], param: str):
    owner = customer()
    body = {"model": probable, "messages": [{"role": "user", "content": "hi"}], "stream": stream, "logprobs": True, **fields}
    error = assert_refused(owner.http.post(path, json=body), 400, "invalid_request")
    assert error["param"] == param
    assert "100000 log probabilities" in error["message"]
    assert_untouched(owner)
    assert raw.requests == []


def offered(*models: Any, **fields: Any) -> list[tuple[str, int]]:
    request = parse({"model": "auto", "messages": [{"role": "user", "content": "hi"}], **fields})
    offers = admission.offers(request, [(one, one.routes[0]) for one in models], text_tokens=1)
    return [(offer.model.id, offer.limit) for offer in offers]


def test_it_is_the_output_limit_that_counts_the_models_where_none_is_asked_for():
    most, beyond = limits.LOG_PROBABILITIES // 20, limits.LOG_PROBABILITIES // 20 + 1
    fits = model("fits", default_output_tokens=most)
    too_long = model("too long", default_output_tokens=beyond)
    asked = {"logprobs": True, "top_logprobs": 19}
    assert offered(fits, **asked) == [("fits", most)]
    assert offered(too_long, fits, **asked) == [("fits", most)]
    assert offered(too_long, max_tokens=most, **asked) == [("too long", most)]
    assert offered(too_long, n=8) == [("too long", beyond)]
    with pytest.raises(ApiError):
        offered(too_long, **asked)
    with pytest.raises(ApiError):
        offered(fits, n=2, **asked)


def test_what_was_asked_for_comes_whole_in_any_script(customer, raw, probable):
    raw.then(events(*[piece(" नमस्ते", top=20) for _ in range(500)], delta(finish="stop"), COUNTED))
    owner = customer()
    answer = streamed(owner, model=probable, max_tokens=500, logprobs=True, top_logprobs=20)
    assert (answer.reasons, answer.done, answer.error) == (["stop"], True, None)
    sent = [token for chunk in answer.chunks for choice in chunk["choices"] for token in (choice["logprobs"] or {}).get("content") or ()]
    assert len(sent) == 500
    assert owner.record.clause == "complete"


def test_a_provider_who_sends_more_of_them_than_were_asked_for_is_cut(customer, raw, probable):
    raw.then(events(*[piece("a", top=20, tokens=50) for _ in range(100)], delta(finish="stop"), COUNTED))
    owner = customer()
    answer = streamed(owner, model=probable, max_tokens=100, logprobs=True)
    assert (answer.reasons, answer.done) == (["length"], True)
    assert len(answer.text) < 500_000
    assert owner.record.clause == "cut_by_limit"
    assert_nothing_held(owner)


def test_those_that_nobody_asked_for_go_nowhere(customer, raw, probable):
    raw.then(events(*[piece("a", top=20, tokens=50) for _ in range(10)], delta(finish="stop"), COUNTED))
    answer = streamed(customer(), model=probable, max_tokens=500)
    assert (answer.content, answer.reasons) == ("a" * 500, ["stop"])
    assert all(choice["logprobs"] is None for chunk in answer.chunks for choice in chunk["choices"])
