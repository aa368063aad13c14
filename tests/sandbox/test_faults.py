"""Each fault of the table in `beatra_site/sandbox/faults.py`, seen from the wire."""

import json
import time

import httpx
import openai
import pytest

from beatra_site.sandbox import tokens
from tests.sandbox.conftest import question, running_sandbox

PATH = "/chat/v1/chat/completions"


def post(http, text, **fields):
    return http.post(PATH, json=question(text, **fields))


def events(http, text, **fields):
    """The events of a stream as far as it got, and how it broke off if it did."""
    found, broke = [], None
    fields.setdefault("stream_options", {"include_usage": True})
    with http.stream("POST", PATH, json=question(text, stream=True, **fields)) as answer:
        try:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    found.append(line[6:])
        except httpx.TransportError as error:
            broke = error
    return found, broke


def outputs(found):
    return [json.loads(event)["choices"][0]["delta"].get("content") for event in found if '"delta":{"content"' in event]


def last_call(http):
    return http.get("/control/calls?limit=1").json()["calls"][0]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529])
@pytest.mark.parametrize("stream", [False, True])
def test_status(http, status, stream):
    answer = post(http, f'x [[status={status} retry_after=2.5 code=some_code message="told so"]]', stream=stream)
    assert answer.status_code == status
    assert answer.headers["retry-after"] == "2.5"
    assert (answer.json()["error"]["code"], answer.json()["error"]["message"]) == ("some_code", "told so")
    assert last_call(http)["outcome"] == "refused"


def test_status_raises_the_sdks_error_class(provider):
    with pytest.raises(openai.RateLimitError):
        provider.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "[[status=429]]"}])


def test_body_and_headers(http):
    steps = [{"body": {"odd": 1}, "headers": {"x-odd": "2"}}, {"status": 418, "body": "tea"}]
    http.post("/control/scripts", json={"marker": "b", "steps": steps})
    first, second = post(http, "[[script:b]]"), post(http, "[[script:b]]")
    assert (first.status_code, first.json(), first.headers["x-odd"]) == (200, {"odd": 1}, "2")
    assert (second.status_code, second.text, second.headers["content-type"]) == (418, "tea", "text/plain")


@pytest.mark.parametrize("stream", [False, True])
def test_garbage(http, stream):
    html = post(http, "[[garbage=html]]", stream=stream)
    assert (html.status_code, html.headers["content-type"]) == (200, "text/html; charset=utf-8")
    with pytest.raises(json.JSONDecodeError):
        post(http, "[[garbage=json]]", stream=stream).json()
    assert post(http, "[[garbage=empty]]", stream=stream).content == b""
    assert post(http, "[[garbage=base_resp]]", stream=stream).json()["base_resp"]["status_code"] == 1008
    assert post(http, "[[base_resp=1002]]", stream=stream).json()["base_resp"]["status_code"] == 1002
    assert post(http, "[[garbage=no_choices]]", stream=stream).json()["choices"] == []


@pytest.mark.parametrize("directive", ["latency_ms=60000", "stall_ms=forever", "stall_ms=forever stall_at=2", "gate=never"])
@pytest.mark.parametrize("stream", [False, True])
def test_silence_is_noticed_by_the_client_and_its_leaving_by_the_sandbox(http, directive, stream):
    with pytest.raises(httpx.ReadTimeout):
        http.post(PATH, json=question(f"x [[{directive} chunks=5]]", stream=stream), timeout=0.15)
    for _ in range(100):
        call = last_call(http)
        if call["outcome"] != "open":
            break
        time.sleep(0.02)
    assert (call["outcome"], call["client_left"]) == ("left", True)
    assert call["chunks_sent"] == (2 if stream and "stall_at=2" in directive else 0)
    # Headers are out for a stall, and nothing yet for a wait before them
    assert call["status"] == (200 if "stall" in directive else None)


def test_short_waits_end(http):
    found, broke = events(http, "[[latency_ms=10 stall_ms=10 stall_at=1 chunk_ms=1 chunks=3]]")
    assert outputs(found) == ["0,", "1,", "2,"]
    assert broke is None
    assert post(http, "say 'x' [[latency_ms=10 stall_ms=10]]").json()["choices"][0]["message"]["content"] == "x"


def test_pings_fill_a_stall(http):
    body = post(http, "[[stall_ms=60 stall_at=1 ping_ms=10 chunks=2]]", stream=True).text
    assert body.count(": ping\n\n") >= 2
    first, second = (body.index(f'"content":"{word}') for word in ("0,", "1,"))
    assert first < body.index(": ping") < second


@pytest.mark.parametrize(
    ("position", "outputs_seen", "finish_seen", "usage_seen"),
    [
        ("headers", 0, False, False),
        ("role", 0, False, False),
        (1, 1, False, False),
        (3, 3, False, False),
        ("finish", 5, True, False),
        ("usage", 5, True, True),
    ],
)
@pytest.mark.parametrize("how", ["clean", "abrupt", "reset", "error", "garbage"])
def test_a_stream_is_cut(http, how, position, outputs_seen, finish_seen, usage_seen):
    found, broke = events(http, f"[[chunks=5 cut={how} cut_at={position}]]")
    if how == "reset":
        # What the client had not read when the reset came may be lost to it: the sandbox says what it sent
        assert isinstance(broke, httpx.TransportError)
        assert last_call(http)["chunks_sent"] == outputs_seen
    else:
        assert len(outputs(found)) == outputs_seen
        assert any('"finish_reason":"stop"' in event for event in found) is finish_seen
        assert any('"prompt_tokens"' in event for event in found) is usage_seen
        assert (broke is not None) is (how == "abrupt")
    assert "[DONE]" not in found
    if how == "error":
        assert json.loads(found[-1])["error"]["type"] == "server_error"
    if how == "garbage":
        with pytest.raises(json.JSONDecodeError):
            json.loads(found[-1])
    call = last_call(http)
    assert (call["outcome"], call["client_left"], call["usage_sent"]) == ("cut", False, usage_seen)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("how", ["clean", "abrupt", "reset"])
def test_a_connection_ends_without_an_answer(http, how, stream):
    with pytest.raises(httpx.RemoteProtocolError if how != "reset" else httpx.ReadError):
        post(http, f"[[cut={how}]]", stream=stream)
    assert last_call(http)["outcome"] == "cut"


def test_a_whole_answer_is_cut_in_its_middle(http):
    for how in ("abrupt", "reset"):
        with pytest.raises(httpx.TransportError):
            post(http, f"[[cut={how} cut_at=headers]]")
    for how in ("clean", "garbage"):
        with pytest.raises(json.JSONDecodeError):
            post(http, f"[[cut={how} cut_at=headers]]").json()
    assert post(http, "[[cut=error cut_at=headers]]").json()["error"]["type"] == "server_error"
    assert post(http, "[[cut=error]]").status_code == 500


def test_what_is_said_can_be_told(http):
    message = post(http, '[[answer="exactly this" reasoning="because so"]]').json()["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("exactly this", "because so")
    refused = post(http, '[[refusal="I will not"]]').json()["choices"][0]
    assert (refused["message"]["content"], refused["message"]["refusal"], refused["finish_reason"]) == (None, "I will not", "stop")
    found, _ = events(http, '[[refusal="I will not"]]')
    assert any('"delta":{"refusal":"I"}' in event for event in found)


def test_answers_of_a_given_size(http):
    body = post(http, "[[tokens=20000]]").json()
    assert body["usage"]["completion_tokens"] == 20_000 == tokens.count(body["choices"][0]["message"]["content"])
    limited = post(http, "[[tokens=50]]", max_tokens=10).json()
    assert (limited["usage"]["completion_tokens"], limited["choices"][0]["finish_reason"]) == (10, "length")
    unlimited = post(http, "[[tokens=50 ignore_limit=true]]", max_tokens=10).json()
    assert (unlimited["usage"]["completion_tokens"], unlimited["choices"][0]["finish_reason"]) == (50, "stop")
    found, _ = events(http, "[[chunks=300]]")
    assert outputs(found) == [f"{number}," for number in range(300)]
    assert json.loads(found[-2])["usage"]["completion_tokens"] == tokens.count("".join(outputs(found)))


def test_empty(http):
    body = post(http, "[[empty=true]]").json()
    choice = body["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"], body["usage"]["completion_tokens"]) == ("", "stop", 0)
    found, _ = events(http, "[[empty=true]]")
    assert outputs(found) == []
    assert json.loads(found[-2])["usage"]["completion_tokens"] == 0


@pytest.mark.parametrize(("given", "seen"), [("content_filter", "content_filter"), ("odd", "odd"), ("none", None)])
def test_finish_reason(http, given, seen):
    assert post(http, f"[[finish_reason={given}]]").json()["choices"][0]["finish_reason"] == seen
    found, _ = events(http, f"[[finish_reason={given}]]")
    assert json.loads(found[-3])["choices"][0]["finish_reason"] == seen


def test_echo_model(http):
    assert post(http, "[[echo_model=gpt-5-pro]]").json()["model"] == "gpt-5-pro"


@pytest.mark.parametrize(
    ("preset", "usage"),
    [
        ("negative", {"completion_tokens": -5}),
        ("huge", {"completion_tokens": 10**15}),
        ("float", {"completion_tokens": 12.5}),
        ("string", {"completion_tokens": "12"}),
        ("zero", {"completion_tokens": 0}),
        ("over_limit", {"completion_tokens": 41}),
        ("worst", {"completion_tokens": 40}),
    ],
)
def test_absurd_usage(http, preset, usage):
    asked = {"max_tokens": 20, "n": 2}
    whole = post(http, f"hi [[usage={preset}]]", **asked).json()["usage"]
    found, _ = events(http, f"hi [[usage={preset}]]", **asked)
    assert json.loads(found[-2])["usage"] == whole
    assert usage.items() <= whole.items()
    call = last_call(http)
    assert call["reported_usage"] == whole
    assert 0 < call["true_usage"]["completion_tokens"] <= 40


def test_cached_tokens_above_the_prompt(http):
    usage = post(http, "hi [[usage=cached]]").json()["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == usage["prompt_tokens"] + 1


def test_usage_can_be_missing(http):
    assert "usage" not in post(http, "hi [[usage=missing]]").json()
    assert post(http, "hi [[usage=null]]").json()["usage"] is None
    assert post(http, "hi [[usage=list]]").json()["usage"] == []
    found, _ = events(http, "hi [[usage=missing]]")
    assert found[-1] == "[DONE]"
    assert not any('"prompt_tokens"' in event for event in found)
    assert last_call(http)["usage_sent"] is False


def test_usage_can_be_given(http):
    given = "[[usage.prompt_tokens=1000 usage.completion_tokens=500 usage.cost=0.25]] [[usage.prompt_tokens_details.cached_tokens=400]]"
    usage = post(http, f"hi {given}").json()["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"], usage["cost"]) == (1000, 500, 1500, 0.25)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 400
    http.post("/control/scripts", json={"marker": "u", "steps": [{"usage": {"completion_tokens": None}}]})
    assert "completion_tokens" not in post(http, "hi [[script:u]]").json()["usage"]


def test_usage_can_stand_elsewhere(http):
    found, _ = events(http, "hi [[usage_at=finish]]", stream_options=None)
    assert json.loads(found[-2])["usage"]["prompt_tokens"] > 0
    assert json.loads(found[-2])["choices"][0]["finish_reason"] == "stop"
    found, _ = events(http, "hi [[usage_at=every]]", stream_options=None)
    assert all(json.loads(event)["usage"]["prompt_tokens"] > 0 for event in found[:-1])


@pytest.mark.parametrize(
    ("wire", "mark"),
    [
        ("crlf", "\r\n\r\n"),
        ("no_space", "data:{"),
        ("noisy", ": comment\nevent: message\nid: 1\n"),
        ("split", "data: {"),
        ("merged", "data: {"),
    ],
)
def test_wire(http, wire, mark):
    body = post(http, f"[[wire={wire} chunks=50]]", stream=True).text
    assert mark in body
    said = [json.loads(line.removeprefix("data:")) for line in body.splitlines() if line.startswith("data:") and "[DONE]" not in line]
    assert "".join(event["choices"][0]["delta"].get("content", "") for event in said) == "".join(f"{number}," for number in range(50))
    assert body.rstrip().endswith("[DONE]")


def test_split_events_arrive_in_pieces(http):
    with http.stream("POST", PATH, json=question("[[wire=split chunks=50]]", stream=True)) as answer:
        pieces = list(answer.iter_raw())
    assert any(not piece.endswith(b"\n\n") for piece in pieces)


def test_context_window(http):
    answer = post(http, "one two three [[context_window=5]]")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert "maximum context length is 5 tokens" in answer.json()["error"]["message"]


@pytest.mark.parametrize("directive", ["stauts=503", "status=abc", "status", "cut=softly", "usage=odd", "cut_at=0.5", 'answer="open'])
def test_a_typo_is_no_healthy_provider(http, directive):
    answer = post(http, f"x [[{directive}]]")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "sandbox_directive")


def test_directives_count_as_prompt_but_are_not_answered(http):
    plain, marked = post(http, "Say 'x'").json(), post(http, "Say 'x' [[script:quiet]]").json()
    assert marked["choices"][0]["message"]["content"] == plain["choices"][0]["message"]["content"] == "x"
    assert marked["usage"]["prompt_tokens"] > plain["usage"]["prompt_tokens"]


def test_only_the_last_message_of_the_user_gives_orders(http):
    messages = [
        {"role": "user", "content": "[[status=503]]"},
        {"role": "assistant", "content": "[[status=503]]"},
        {"role": "user", "content": "hi"},
    ]
    assert post(http, "", messages=messages).status_code == 200


def test_without_faults_directives_are_words_and_there_is_no_control():
    with running_sandbox() as origin, httpx.Client(base_url=origin) as http:
        assert post(http, "[[status=503]]").status_code == 200
        assert http.get("/control/calls").status_code == 404
