"""The sandbox's model answers the question it was asked."""

from datetime import UTC, datetime

import pytest

from beatra_site.sandbox.answers import Talk, reply

NOON = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("Say hi in five words.", "Hi, great to meet you!"),
        ("Count to ten", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10."),
        ("Please count from 3 to 7.", "3, 4, 5, 6, 7."),
        ("count down from 5", "5, 4, 3, 2, 1."),
        ("Count to 20 by fives", "5, 10, 15, 20."),
        ("What is 17 * 23?", "17 × 23 = 391"),
        ("what's 15% of 80", "15% of 80 = 12"),
        ("What is two plus two?", "2 + 2 = 4"),
        ("What is the square root of 144?", "√144 = 12"),
        ("10 / 0", "10 ÷ 0 is undefined: nothing can be divided by zero."),
        ("What is 0.1 + 0.2?", "0.1 + 0.2 = 0.3"),
        ("Is 91 prime?", "No, 91 = 7 × 13."),
        ("Convert 10 km to miles", "10 km = 6.2137 miles"),
        ("100 fahrenheit in celsius", "100 °F = 37.7778 °C"),
        ("What is today's date?", "Today is Sunday, 1 March 2026."),
        ("What's the date tomorrow?", "Tomorrow will be Monday, 2 March 2026."),
        ("What time is it?", "It is 12:30 UTC."),
        ("What is the capital of France?", "The capital of France is Paris."),
        ("Name three colors", "red, blue, green."),
        ("Translate 'thank you' to German", "Danke"),
        ("How many r's are in strawberry?", "“strawberry” has 3 letters “r”."),
        ("Reverse hello", "olleh"),
        ("Reply with exactly: OK", "OK"),
        ("Say 'pong'", "pong"),
        ("Repeat after me: I like trains.", "I like trains."),
        ("Summarize: " + "One fox ran over the hill and back. It rained. All slept.", "One fox ran over the hill and back."),
    ],
)
def test_it_answers(asked, answered):
    assert reply(Talk(asked, now=NOON)) == answered


@pytest.mark.parametrize("words", [*range(1, 31), 100])
@pytest.mark.parametrize("asked", ["Say hi", "Explain black holes", "Describe the ocean"])
def test_it_keeps_to_the_number_of_words(asked, words):
    assert len(reply(Talk(f"{asked} in {words} words.")).split()) == words


def test_it_writes_as_many_lines_as_asked_about_the_topic():
    lines = reply(Talk("Give me three subject lines for our spring sale.")).splitlines()
    assert len(lines) == 3
    assert all("spring sale" in line for line in lines)
    assert len(reply(Talk("Suggest 5 names for a cat")).splitlines()) == 5


@pytest.mark.parametrize("asked", ["How do I bake bread?", "Why is the sky blue?", "Tell me about Rome", "Postgres or MySQL?", "asdf"])
def test_anything_else_names_the_topic_gives_steps_and_says_who_speaks(asked):
    lines = reply(Talk(asked)).splitlines()
    assert Talk(asked).topic() in lines[0]
    assert [line[:2] for line in lines[1:4]] == ["1.", "2.", "3."]
    assert lines[4].startswith("(Sandbox model")
    assert len(lines) == 5


def test_the_same_question_gets_the_same_answer_and_a_variant_another():
    assert reply(Talk("Tell me a joke")) == reply(Talk("Tell me a joke")) != reply(Talk("Tell me a joke", variant=1))


ODD = ["9" * 5000, "9**9**9**9", "(" * 400 + "1" + ")" * 400, "1+" * 3000, "", " ", "\n", "'" * 5000, "2 ** 0.5 ** -9", "0 ** -1"]


@pytest.mark.parametrize("asked", ODD, ids=range(len(ODD)))
def test_odd_questions_are_answered_too(asked):
    assert reply(Talk(asked))
