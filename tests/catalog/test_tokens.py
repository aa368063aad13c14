"""Counting tokens: ordinary text, hostile text, images, without a network."""

import subprocess
import sys

import orjson
import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st

from beatra_site.sandbox import request as sandbox_request
from catalog.tokens import count, count_prompt, estimate_prompt, vocabulary_file


def say(content):
    return [{"role": "user", "content": content}]


def test_it_counts_as_the_vocabulary_does():
    assert count("") == 0
    assert count("hello world") == 2
    assert count("The quick brown fox jumps over the lazy dog.") == 10


@pytest.mark.parametrize(
    "text",
    [
        "The quick brown fox jumps over the lazy dog.",
        "Все счастливые семьи похожи друг на друга.",
        "人工智能是计算机科学的一个分支",
        "सभी मनुष्यों को गौरव और अधिकारों",
        "def f(x):\n\treturn {'a': x['b'] or 12345}  # I've\n\n",
        "x" * 300,
    ],
)
def test_it_counts_as_openais_models_do(text, monkeypatch):
    """tiktoken's own o200k_base, which finds the same file by its cache folder."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(vocabulary_file().parent))
    assert count(text) == len(tiktoken.get_encoding("o200k_base").encode_ordinary(text))


def test_marks_are_ordinary_text():
    assert count("<|endoftext|>") > 1
    assert estimate_prompt(say("<|endoftext|><|im_start|>")) > estimate_prompt(say(""))


@pytest.mark.parametrize("text", ["a", " ", "\n", "^", "\u0301", "\u6211", "\ud800"])
def test_hostile_text_is_counted_slice_by_slice(text):
    """Linear, not quadratic: ten times the text is ten times the tokens."""
    assert count(text * 819_200) == 10 * count(text * 81_920)


def test_ten_megabytes_of_one_word_end():
    assert count("a" * 10_000_000) > 1_000_000


def test_slices_change_the_count_by_next_to_nothing():
    text = "The quick brown fox jumps over the lazy dog. " * 2000
    assert 20_001 <= count(text) <= 20_001 * 1.005


def test_counting_stops_above_the_ceiling():
    assert 1000 < count("word " * 1_000_000, ceiling=1000) < 10_000
    assert 1000 < estimate_prompt(say("word " * 1_000_000), ceiling=1000) < 10_000


def test_the_bytes_of_an_image_are_not_counted():
    url = "data:image/png;base64," + "A" * 5_000_000
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    assert estimate_prompt(say(parts)) == estimate_prompt(say(parts[:1])) == estimate_prompt(say([*parts, parts[1]]))


def test_tools_and_response_format_count():
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}}}
    plain = estimate_prompt(say("hi"))
    assert estimate_prompt(say("hi"), tools=[tool]) >= plain + 20
    assert estimate_prompt(say("hi"), tools=[tool, tool]) >= plain + 40
    assert estimate_prompt(say("hi"), response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}) >= plain + 8


def test_tool_calls_and_results_count():
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"city": "Berlin"}'}}
    messages = [
        *say("hi"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "3", "tool_call_id": "call_1"},
    ]
    assert estimate_prompt(messages) > estimate_prompt(say("hi")) + 25


@given(st.lists(st.text(max_size=200), min_size=1, max_size=5))
def test_the_estimate_is_never_below_the_texts_and_their_marks(texts):
    messages = [{"role": "user", "content": text} for text in texts]
    assert estimate_prompt(messages) >= sum(count(text) + 4 for text in texts)


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
SCHEMA = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"], "additionalProperties": False}
CONVERSATION = [
    {"role": "system", "content": "You are brief."},
    {"role": "user", "content": "Say hi in five words.", "name": "ann"},
    {"role": "assistant", "content": "Hi there, my dear friend.", "reasoning_content": 'Five words. "Hi there" begins well.'},
    {"role": "user", "content": [{"type": "text", "text": "And in German?\n\nOr in Русский?"}]},
    {"role": "assistant", "content": None, "refusal": "I can't do that."},
    {"role": "user", "content": "Why?"},
]


@pytest.mark.parametrize(
    "asked",
    [
        {"messages": say("Say hi in five words.")},
        {"messages": say('{"quoted": "JSON \\"text\\"", "lines": "a\nb\nc"}\n' * 50)},
        {"messages": say("人工智能是计算机科学的一个分支" * 20)},
        {"messages": CONVERSATION},
        {"messages": say("What is the weather?"), "tools": [WEATHER]},
        {"messages": say("A word."), "response_format": {"type": "json_schema", "json_schema": {"name": "word", "schema": SCHEMA}}},
    ],
    ids=["short", "quotes", "chinese", "conversation", "tools", "schema"],
)
def test_a_charge_counts_a_prompt_as_its_provider_does(asked):
    """Where a hold counts the JSON around it too."""
    true = sandbox_request.read(orjson.dumps({"model": "MiniMax-M2.7", **asked})).prompt_tokens()
    assert abs(count_prompt(**asked) - true) <= 3
    assert count_prompt(**asked) < estimate_prompt(**asked)


def test_a_charge_counts_what_tools_were_called_with():
    """Their ids and the JSON around them, which no two providers count alike, are left to the provider."""
    function = {"name": "get_weather", "arguments": '{"city": "Berlin"}'}
    messages = [
        *say("What is the weather?"),
        {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]},
        {"role": "tool", "content": "3 degrees", "tool_call_id": "call_1"},
    ]
    said = ["What is the weather?", "get_weather", '{"city": "Berlin"}', "3 degrees"]
    assert count_prompt(messages) == 3 + 3 * 4 + sum(map(count, said)) < estimate_prompt(messages)


def test_a_charge_counts_no_bytes_of_an_image():
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 5000}}]
    assert count_prompt(say(parts)) == count_prompt(say("What is this?"))


@pytest.mark.parametrize("value", [10**30, "\ud800", float("inf")])
def test_odd_values_of_a_tool_count_too(value):
    assert estimate_prompt(say("hi"), tools=[{"type": "function", "function": {"name": "f", "parameters": {"x": value}}}]) > 0


def test_it_needs_no_network():
    program = (
        "import socket\n"
        "def refuse(*given, **named): raise AssertionError('network')\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse\n"
        "from catalog.tokens import count\n"
        "assert count('hello world') == 2\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={"PATH": "", "HOME": "/nonexistent", "TMPDIR": "/nonexistent"})
