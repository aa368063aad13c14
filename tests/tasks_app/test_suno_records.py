"""Suno's records of works: how far one is, its clips, or why there are none."""

from __future__ import annotations

import pytest

from tasks_app.music.provider import Made, Working
from tests.chat.raw_provider import RawProvider, whole
from tests.tasks_app.asked_music import KEY, KEY_VARIABLE, SECRET_WORDS, base, envelope, error_of, summary, suno


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)


def record(status: object, *clips: object, **fields) -> dict:
    return envelope(
        200, {"taskId": "t", "status": status, "errorMessage": SECRET_WORDS, "response": {"taskId": "t", "sunoData": list(clips)}, **fields}
    )


def camel(number: int, **fields) -> dict:
    return {
        "id": f"clip-{number}",
        "audioUrl": f"https://cdn.example/{number}.mp3",
        "sourceAudioUrl": f"https://source.example/{number}.mp3",
        "streamAudioUrl": f"https://cdn.example/{number}",
        "title": "Dawn",
        "tags": "piano, calm",
        "prompt": "[Verse]\nLa",
        "duration": 198.44,
        **fields,
    }


def snake(number: int, **fields) -> dict:
    return {
        "id": f"clip-{number}",
        "audio_url": f"https://cdn.example/{number}.mp3",
        "title": "Dawn",
        "tags": "piano",
        "prompt": "",
        **fields,
    }


def urls(answer: dict) -> list[str]:
    made = polled(answer)
    assert isinstance(made, Made)
    return [one.url for one in made.clips]


def polled(answer: dict) -> Working | Made:
    with RawProvider(whole(answer)) as provider:
        return suno(base(provider)).poll("t")


ONE, TWO = "https://cdn.example/1.mp3", "https://cdn.example/2.mp3"


class TestRecords:
    @pytest.mark.parametrize(
        ("status", "percent"),
        [("PENDING", 10), ("TEXT_SUCCESS", 40), ("FIRST_SUCCESS", 75), ("SOMETHING_NEW", 5), (None, 5), (["SUCCESS"], 5), ("", 5)],
    )
    def test_a_work_goes_on_until_it_says_that_it_is_over(self, status, percent):
        assert polled(record(status, camel(1))) == Working(percent)

    @pytest.mark.parametrize("data", [None, [], "SUCCESS", {}])
    def test_a_work_that_is_not_known_yet_goes_on(self, data):
        assert polled(envelope(200, data)) == Working(5)

    def test_two_clips_are_made(self):
        made = polled(record("SUCCESS", camel(1), camel(2, title="Dusk")))
        assert [(one.title, one.lyrics, one.tags, one.url, one.audio) for one in made.clips] == [
            ("Dawn", "[Verse]\nLa", "piano, calm", ONE, b""),
            ("Dusk", "[Verse]\nLa", "piano, calm", TWO, b""),
        ]

    def test_of_any_number_of_clips_the_first_few_are_taken(self):
        assert urls(record("SUCCESS", *map(camel, range(1, 500)))) == [f"https://cdn.example/{number}.mp3" for number in (1, 2, 3, 4)]

    @pytest.mark.parametrize(
        ("clips", "expected"),
        [
            ([snake(1), snake(2)], [ONE, TWO]),
            ([camel(1, audioUrl="")], ["https://source.example/1.mp3"]),
            ([camel(1, audioUrl=None), snake(2, audio_url=None, source_audio_url=TWO)], ["https://source.example/1.mp3", TWO]),
            ([camel(1)], [ONE]),
            ([camel(1), camel(1), camel(2)], [ONE, TWO]),
            ([camel(1), camel(1, audioUrl="https://cdn.example/again.mp3")], [ONE]),
            ([camel(1), camel(2, audioUrl=ONE)], [ONE]),
            ([snake(1, id=None), snake(1, id=None), snake(2, id=None)], [ONE, TWO]),
            ([None, "x", {}, camel(1, audioUrl=7, sourceAudioUrl=[]), camel(2)], [TWO]),
            ([camel(1, audioUrl="file:///etc/passwd", sourceAudioUrl="https://a\nb"), camel(2)], [TWO]),
        ],
        ids=[
            "snake_case",
            "source only",
            "source only, both",
            "one",
            "twice",
            "one id twice",
            "one address twice",
            "without ids",
            "odd ones",
            "no addresses",
        ],
    )
    def test_each_clip_with_audio_is_taken_once(self, clips, expected):
        assert urls(record("SUCCESS", *clips)) == expected

    def test_the_list_may_be_spelled_in_snake_case(self):
        assert urls(record("SUCCESS", response={"suno_data": [snake(1)]})) == [ONE]

    def test_odd_texts_of_a_clip_are_left_out(self):
        (made,) = polled(record("SUCCESS", camel(1, title=None, tags=["a"], prompt="a\0b"))).clips
        assert (made.title, made.tags, made.lyrics) == ("", "", "ab")

    @pytest.mark.parametrize(
        "response", [{"sunoData": []}, {"sunoData": None}, {"sunoData": [camel(1, audioUrl="", sourceAudioUrl="")]}, {}, None]
    )
    def test_success_without_any_audio_is_the_end_of_the_work(self, caplog, response):
        with RawProvider(whole(record("SUCCESS", response=response))) as provider:
            error = error_of(lambda: suno(base(provider)).poll("t"), caplog)
        assert summary(error) == ("WorkFailed", "upstream_error", True, True)

    def test_a_callback_that_failed_does_not_matter_where_there_is_audio(self):
        assert urls(record("CALLBACK_EXCEPTION", camel(1), camel(2))) == [ONE, TWO]

    def test_nor_where_there_is_none_yet(self):
        assert polled(record("CALLBACK_EXCEPTION")) == Working(80)

    @pytest.mark.parametrize("name", ["errorCode", "error_code"])
    @pytest.mark.parametrize("status", ["CREATE_TASK_FAILED", "GENERATE_AUDIO_FAILED"])
    @pytest.mark.parametrize(
        ("code", "expected"),
        [
            (400, ("Refused", "safety_rejected", True, None)),
            ("400", ("Refused", "safety_rejected", True, None)),
            (413, ("Refused", "safety_rejected", True, None)),
            (408, ("WorkFailed", "upstream_timeout", True, True)),
            (405, ("WorkFailed", "model_unavailable", True, True)),
            (429, ("WorkFailed", "model_unavailable", True, True)),
            (430, ("WorkFailed", "model_unavailable", True, True)),
            (455, ("WorkFailed", "model_unavailable", True, True)),
            (500, ("WorkFailed", "upstream_error", True, True)),
            (501, ("WorkFailed", "upstream_error", True, True)),
            (531, ("WorkFailed", "upstream_error", True, True)),
            (4711, ("WorkFailed", "upstream_error", True, True)),
            (None, ("WorkFailed", "upstream_error", True, True)),
            (SECRET_WORDS, ("WorkFailed", "upstream_error", True, True)),
            ([400], ("WorkFailed", "upstream_error", True, True)),
        ],
    )
    def test_a_work_that_failed_says_why(self, caplog, status, code, name, expected):
        with RawProvider(whole(record(status, camel(1), **{name: code}))) as provider:
            error = error_of(lambda: suno(base(provider)).poll("t"), caplog)
        assert summary(error) == expected

    def test_a_refused_word_is_the_contents(self, caplog):
        with RawProvider(whole(record("SENSITIVE_WORD_ERROR"))) as provider:
            error = error_of(lambda: suno(base(provider)).poll("t"), caplog)
        assert summary(error) == ("Refused", "safety_rejected", True, None)
