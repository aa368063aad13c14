"""The table of errors against contract.md 1, row by row."""

import pytest

from contract.errors import ERRORS, ApiError

# code, status, retryable: what the public contract promises
PROMISED = [
    ("unauthorized", 401, False),
    ("invalid_api_key", 401, False),
    ("tenant_disabled", 403, False),
    ("forbidden", 403, False),
    ("insufficient_balance", 402, False),
    ("spend_limit_reached", 402, False),
    ("billing_failed", 500, True),
    ("invalid_request", 400, False),
    ("context_length_exceeded", 400, False),
    ("unsupported_model", 400, False),
    ("unsupported_option", 400, False),
    ("unsupported_capability", 400, False),
    ("safety_rejected", 400, False),
    ("not_found", 404, False),
    ("method_not_allowed", 405, False),
    ("idempotency_conflict", 409, False),
    ("idempotency_in_progress", 409, True),
    ("task_already_terminal", 409, False),
    ("payload_too_large", 413, False),
    ("unsupported_media_type", 415, False),
    ("headers_too_large", 431, False),
    ("rate_limited", 429, True),
    ("model_unavailable", 503, True),
    ("upstream_error", 502, True),
    ("upstream_timeout", 504, True),
    ("service_unavailable", 503, True),
    ("internal_error", 500, True),
]


def test_it_is_the_contracts_table_and_nothing_else():
    assert [(row.code, row.status, row.retryable) for row in ERRORS.values()] == PROMISED


def test_it_says_what_the_contract_says_of_a_bad_key():
    assert ApiError("invalid_api_key").message == "API key not found, signature mismatch, disabled, or revoked."


@pytest.mark.parametrize("row", ERRORS.values(), ids=ERRORS)
def test_every_row_has_words_for_the_caller_and_for_the_documentation(row):
    assert row.message.endswith(".")
    assert row.when


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_tells_the_sdk_whether_to_retry(code):
    error = ApiError(code)
    assert error.headers["x-should-retry"] == ("true" if error.retryable else "false")


@pytest.mark.parametrize("row", ERRORS.values(), ids=ERRORS)
def test_every_429_and_503_and_a_call_in_progress_say_when_to_retry(row):
    says_when = "Retry-After" in ApiError(row.code).headers
    assert says_when == (row.status in (429, 503) or row.code == "idempotency_in_progress")


def test_a_401_asks_for_a_bearer_token():
    assert ApiError("unauthorized").headers["WWW-Authenticate"] == "Bearer"
    assert ApiError("invalid_api_key").headers["WWW-Authenticate"] == "Bearer"
    assert "WWW-Authenticate" not in ApiError("forbidden").headers


def test_retry_after_is_rounded_up_to_whole_seconds():
    assert ApiError("rate_limited", retry_after_seconds=1.2).headers["Retry-After"] == "2"
    assert ApiError("rate_limited", retry_after_seconds=0.0).headers["Retry-After"] == "1"


def test_the_envelope_names_the_first_wrong_field_and_lists_them_all():
    errors = [{"param": "/a", "message": "is required"}, {"param": "/b/0", "message": "is too long"}]
    envelope = ApiError("invalid_request", errors=errors, details={"limit": 3}).envelope("req_1")
    assert envelope == {
        "error": {
            "code": "invalid_request",
            "message": "is required",
            "retryable": False,
            "request_id": "req_1",
            "param": "/a",
            "details": {"limit": 3, "errors": errors},
        }
    }


def test_the_envelope_leaves_out_what_is_not_given():
    assert set(ApiError("not_found").envelope("req_1")["error"]) == {"code", "message", "retryable", "request_id"}


def test_a_code_outside_the_table_is_a_mistake_of_the_programmer():
    with pytest.raises(KeyError):
        ApiError("teapot")
