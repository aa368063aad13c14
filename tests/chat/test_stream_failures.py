"""Streams that fail, before and after their first output: what the caller reads, and that nothing is charged."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.chat.events import streamed
from tests.gate import assert_nothing_held


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("status=500", 502, "upstream_error"),
        ("status=429 retry_after=7", 503, "model_unavailable"),
        ("status=401", 502, "upstream_error"),
        ("status=504", 504, "upstream_timeout"),
        ("status=400", 400, "invalid_request"),
        ("context_window=1", 400, "context_length_exceeded"),
        ("garbage=html", 502, "upstream_error"),
        ("garbage=empty", 502, "upstream_error"),
        ("garbage=base_resp", 502, "upstream_error"),
        ("cut=reset", 502, "upstream_error"),
        ("cut=clean cut_at=headers", 502, "upstream_error"),
        ("cut=abrupt cut_at=role", 502, "upstream_error"),
        ("cut=error cut_at=role", 502, "upstream_error"),
        ("cut=garbage cut_at=role", 502, "upstream_error"),
    ],
)
def test_a_failure_before_the_first_output_is_a_plain_answer(customer, model: str, fault: str, status: int, code: str):
    owner = customer()
    answer = streamed(owner, f"[[{fault}]] my secret prompt", model=model)
    assert answer.error is not None
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/json"
    assert answer.error["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["x-should-retry"] == str(answer.error["retryable"]).lower()
    record = owner.record
    assert (record.status, record.clause, record.error_code) == ("released", "upstream_failed", code)
    assert record.absorbed_cost_usd == 0
    assert owner.wallet.balance == 1000
    assert_nothing_held(owner)


@pytest.mark.parametrize("cut", ["abrupt", "reset", "clean", "error", "garbage"])
def test_a_failure_after_it_is_an_error_event_without_done_and_costs_nothing(customer, model: str, cut: str):
    owner = customer()
    answer = streamed(owner, f"[[cut={cut} cut_at=3]] Say hi in five words.", model=model)
    assert answer.status == 200
    assert answer.content
    assert not answer.done
    assert answer.error is not None
    assert (answer.error["code"], answer.error["retryable"]) == ("upstream_error", True)
    assert answer.error["request_id"] == answer.headers["x-request-id"]
    assert answer.reasons == []
    record = owner.record
    assert (record.status, record.clause, record.charged_credits) == ("released", "upstream_failed", 0)
    assert 0 < record.absorbed_cost_usd < Decimal("0.001")
    assert [line["outcome"] for line in record.attempts] == ["upstream_error"]
    assert owner.wallet.balance == 1000
    assert_nothing_held(owner)


@pytest.mark.parametrize("fault", ["cut=abrupt cut_at=finish", "cut=error cut_at=finish", "usage=missing cut=clean cut_at=finish"])
def test_an_answer_that_finished_is_complete_though_its_counts_got_lost(customer, model: str, fault: str):
    owner = customer()
    answer = streamed(owner, f"[[{fault}]] Say hi in five words.", model=model)
    assert (answer.reasons, answer.done) == (["stop"], True)
    assert (owner.record.clause, owner.record.estimated) == ("complete", True)
    assert answer.usage["credits"] == str(owner.record.charged_credits)


def test_refusals_before_the_call_are_plain_answers(customer):
    poor = customer(balance="0.0001")
    answer = streamed(poor)
    assert answer.error is not None
    assert (answer.status, answer.error["code"]) == (402, "insufficient_balance")
    assert poor.records == []
    answer = streamed(customer(), temperature=5)
    assert answer.status == 400


def test_the_providers_content_filter_ends_it_as_such_and_charges_what_came(customer):
    owner = customer()
    answer = streamed(owner, '[[cut=error cut_at=3 code=content_filter message="flagged by the safety system"]] Say hi in five words.')
    assert (answer.reasons, answer.done, answer.error) == (["content_filter"], True, None)
    record = owner.record
    assert (record.status, record.clause, record.estimated, record.alert) == ("charged", "cut_by_limit", True, "")
    assert 0 < record.charged_credits < record.hold_credits
    assert answer.usage["credits"] == str(record.charged_credits)
