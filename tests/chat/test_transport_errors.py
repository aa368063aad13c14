"""Both transports, over real HTTP: what a provider refuses with, by status, inside a 200, in mid-stream, and what it means."""

from __future__ import annotations

import pytest

from chat.upstream.errors import (
    ContextTooLong,
    Declined,
    Failed,
    Misconfigured,
    NotThere,
    Overloaded,
    Rejected,
    TimedOut,
    TooLarge,
    Unsafe,
    UpstreamError,
)
from tests.chat.upstreams import Provider, litellm_cannot

# LiteLLM's, and Pydantic's about the odd answers that it is given here
pytestmark = pytest.mark.filterwarnings(
    "ignore:Accessing the 'model_", "ignore:Pydantic serializer warnings", "ignore:Item 'summary' on TypedDict"
)


@pytest.fixture(params=["native", "litellm"])
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def provider(transport: str, sandbox: str) -> Provider:
    return Provider(transport, f"{sandbox}/chat/v1", sandbox=True)


@pytest.mark.parametrize("streaming", [False, True], ids=["sync", "stream"])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("status=400", Rejected),
        ("status=422", Rejected),
        ("status=409", Rejected),
        ("status=413", TooLarge),
        ("status=400 code=content_filter", Unsafe),
        ('status=400 message="maximum context length is 5 tokens"', ContextTooLong),
        ("context_window=1", ContextTooLong),
        ("status=401", Misconfigured),
        ("status=402", Misconfigured),
        ("status=403", Misconfigured),
        ("status=404", NotThere),
        ("status=429 code=insufficient_quota", Misconfigured),
        ("status=408", TimedOut),
        ("status=504", TimedOut),
        ("status=429", Overloaded),
        ("status=503", Overloaded),
        ("status=529", Overloaded),
        ("status=405", Declined),
        ("status=410", Declined),
        ("status=451", Declined),
        ("status=500", Failed),
        ("status=502", Failed),
        ("cut=reset", Failed),
        ("cut=abrupt", Failed),
    ],
)
def test_a_refusal_by_status_has_one_meaning(provider: Provider, fault: str, kind: type[UpstreamError], streaming: bool):
    error = provider.error(f"[[{fault}]] my secret prompt", streaming=streaming)
    assert type(error) is kind
    for hidden in ("sandbox", "secret", "maximum", "127.0.0.1", provider.route.upstream_model):
        assert hidden not in str(error).lower()
    assert error.__cause__ is None
    if fault.startswith("status=") and not (kind is TimedOut and litellm_cannot(provider, "timeout_status")):
        assert error.status == int(fault[7:10])


@pytest.mark.parametrize("streaming", [False, True], ids=["sync", "stream"])
def test_a_retry_after_is_read(provider: Provider, streaming: bool):
    error = provider.error("[[status=429 retry_after=7]]", streaming=streaming)
    assert error is not None and error.retry_after_seconds == 7


@pytest.mark.parametrize("streaming", [False, True], ids=["sync", "stream"])
@pytest.mark.parametrize("garbage", ["html", "json", "empty", "no_choices"])
def test_a_200_that_is_no_answer_failed(provider: Provider, garbage: str, streaming: bool):
    if streaming and litellm_cannot(provider, "stream_of_garbage"):
        got = provider.stream(f"[[garbage={garbage}]]")
        assert (got.chunks, got.error) == ([], None)
    else:
        assert type(provider.error(f"[[garbage={garbage}]]", streaming=streaming)) is Failed


@pytest.mark.parametrize("streaming", [False, True], ids=["sync", "stream"])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1002, Overloaded),
        (1039, Overloaded),
        (1041, Overloaded),
        (1004, Misconfigured),
        (2049, Misconfigured),
        (1008, Misconfigured),
        (2056, Misconfigured),
        (1026, Unsafe),
        (1027, Unsafe),
        (2013, Rejected),
        (1042, Rejected),
        (1001, TimedOut),
        (1000, Failed),
        (9999, Failed),
    ],
)
def test_minimaxs_refusal_inside_a_200_is_understood(provider: Provider, code: int, kind: type[UpstreamError], streaming: bool):
    if litellm_cannot(provider, "base_resp"):
        assert streaming or type(provider.error(f"[[base_resp={code}]]", streaming=False)) is Failed
    else:
        assert type(provider.error(f"[[base_resp={code}]]", streaming=streaming)) is kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("rate_limit_exceeded", Overloaded),
        ("503", Overloaded),
        ("content_filter", Unsafe),
        ("invalid_api_key", Misconfigured),
        ("context_length_exceeded", ContextTooLong),
        ("server_error", Failed),
    ],
)
def test_an_error_event_means_what_its_code_says(provider: Provider, code: str, kind: type[UpstreamError]):
    got = provider.stream(f"[[chunks=5 cut=error cut_at=2 code={code}]]")
    assert got.text() == "0,1,"
    if litellm_cannot(provider, "error_event_code"):
        assert isinstance(got.error, UpstreamError)
    else:
        assert type(got.error) is kind
