"""The songs of the stand-in music providers: what is read from a prompt, how they are composed, and how they sound."""

from __future__ import annotations

import io
import itertools
import math
import subprocess
import sys
from array import array
from statistics import mean

import pytest
from tinytag import TinyTag

from beatra_site.sandbox.music.mix import LOUDNESS_DBFS, loudness, mix
from beatra_site.sandbox.music.mp3 import encode, tagged
from beatra_site.sandbox.music.song import Order, Song, compose
from beatra_site.sandbox.music.stretch import lanes, later, quieter, sides, stretch
from beatra_site.sandbox.music.syllables import sung
from beatra_site.sandbox.music.timbres import DRUMS
from tests import mp3
from tests.sandbox.conftest import ROOT

RATE = 8_000
LYRICS = """[Verse]
I see the sun above the sea
and all the birds are calling me
[Chorus]
oh the summer never ends
singing loud with my friends"""
PROMPTS = ["a calm piano waltz", "techno dance", "sad slow ballad", "jazz swing", "epic film", "very fast punk", "lofi chill"]
PROMPTS += ["bossa nova", "ambient drone", "8-bit chiptune", "folk acoustic guitar", "synthwave night", "very slow lullaby"]
PROMPTS += ["", "ein Lied für Anna", "歌"]


def instruments(song: Song) -> set[str]:
    return {note.instrument for note in song.notes}


@pytest.mark.parametrize(
    ("slower", "faster"), [("a slow song", "a fast song"), ("calm piano", "dance"), ("very slow", "slow"), ("fast", "very fast")]
)
def test_the_words_set_the_tempo(slower, faster):
    for place in range(5):
        assert compose(Order(f"{slower} {place}")).mood.tempo < compose(Order(f"{faster} {place}")).mood.tempo


def test_a_tempo_in_figures_is_kept():
    assert compose(Order("house at 123 bpm")).mood.tempo == 123


@pytest.mark.parametrize(
    ("words", "minor"), [("a sad song", True), ("in minor", True), ("a happy song", False), ("joyful, in major", False)]
)
def test_the_words_set_the_mode_and_the_notes_follow_it(words, minor):
    for place in range(5):
        song = compose(Order(f"{words} {place}"))
        assert song.mood.minor is minor
        thirds = [(note.pitch - song.mood.key) % 12 for note in song.notes if note.instrument not in DRUMS]
        # The third of the key is what tells one from the other
        assert (thirds.count(3) > thirds.count(4)) is minor


def test_a_key_is_kept():
    song = compose(Order("a tune in f sharp minor"))
    assert (song.mood.key % 12, song.mood.minor) == (6, True)


def test_a_waltz_has_three_beats_and_genres_choose_the_instruments():
    assert compose(Order("a waltz")).mood.beats == 3
    assert "drive" in instruments(compose(Order("heavy metal")))
    assert "tines" in instruments(compose(Order("smooth jazz")))
    assert not instruments(compose(Order("ambient meditation"))) & DRUMS.keys()
    assert len(instruments(compose(Order("happy pop"))) & DRUMS.keys()) >= 3


def test_the_voice_sings_a_note_for_each_syllable_and_is_silent_without_lyrics():
    assert [line.vowels for line in sung("[Chorus]\noh so blue\n\nla")] == ["oou", "a"]
    song = compose(Order("pop", lyrics=LYRICS))
    voice = [note for note in song.notes if note.instrument == "voice"]
    lines = [line.vowels for line in sung(LYRICS)]
    assert "".join(note.vowel for note in voice).startswith(lines[0] + lines[1])
    assert "voice" not in instruments(compose(Order("pop")))


def test_a_song_has_an_arc():
    song = compose(Order("pop"))
    quarter = song.beats / 8
    crowd = [sum(start <= note.start / quarter < start + 1 for note in song.notes) for start in range(8)]
    assert max(crowd[:1]) < mean(crowd[2:6])
    assert crowd[7] < mean(crowd[2:6])


@pytest.mark.parametrize("prompt", PROMPTS)
def test_voices_move_little_and_the_melody_does_not_leap_about(prompt):
    song = compose(Order(prompt))
    lead = song.mood.genre.lead
    tune = sorted((note for note in song.notes if note.instrument == lead and note.pitch > 62), key=lambda note: note.start)
    if lead not in (song.mood.genre.chords, song.mood.genre.arpeggio):
        leaps = [abs(after.pitch - before.pitch) for before, after in itertools.pairwise(tune)]
        assert mean(leaps) < 5


def test_all_songs_last_from_20_to_30_seconds():
    lengths = [compose(Order(f"{prompt} {place}")).seconds for prompt in PROMPTS for place in range(30)]
    assert min(lengths) > 20
    assert max(lengths) < 29.9


def test_the_same_order_is_the_same_song_and_another_is_another():
    assert compose(Order("a song", LYRICS)) == compose(Order("a song", LYRICS))
    songs = [Order("a song"), Order("a song", take=1), Order("a songs"), Order("a song", LYRICS), Order("a song", reference="ab")]
    for one, other in itertools.combinations(map(compose, songs), 2):
        assert one.notes != other.notes


def test_two_takes_share_key_and_tempo_and_covers_of_a_reference_its_tune():
    first, second = (compose(Order("a song", take=take)) for take in (0, 1))
    assert first.mood == second.mood
    one, other = (compose(Order(prompt, reference="abc")) for prompt in ("happy pop, bright", "happy pop, sunny"))
    assert (one.mood.key, one.mood.tempo) == (other.mood.key, other.mood.tempo)


@pytest.mark.parametrize("prompt", PROMPTS[:4])
def test_songs_are_equally_loud_do_not_clip_and_fade_out(prompt):
    samples = mix(compose(Order(prompt, LYRICS if prompt == "techno dance" else "")), rate=RATE)
    assert abs(20 * math.log10(loudness(samples, RATE)) - LOUDNESS_DBFS) < 0.7
    assert 12_000 < max(map(abs, samples)) <= 0.841 * 32_768
    assert max(map(abs, samples[-200:])) < 100
    left, right = samples[::2], samples[1::2]
    assert left != right
    assert all(abs(sum(side) / len(side)) < 200 for side in (left, right))


def test_no_half_second_within_a_song_is_silent():
    samples = mix(compose(Order("calm piano")), rate=RATE)
    blocks = [samples[start : start + RATE] for start in range(0, len(samples) - 4 * RATE, RATE)]
    assert min(max(map(abs, block)) for block in blocks) > 500


def test_the_mp3_decodes_has_its_title_and_its_length():
    song = compose(Order("pop"))
    plain = encode(mix(song, rate=RATE), rate=RATE, out_rate=44_100, bitrate=128_000)
    data = tagged(plain, title="Überfahrt 船")
    assert data.endswith(plain)
    tags = TinyTag.get(filename="song.mp3", file_obj=io.BytesIO(data))
    assert tags.title == "Überfahrt 船"
    assert tags.duration == pytest.approx(song.seconds, abs=0.3)
    frames = mp3.frames(data)
    assert {(frame.rate, frame.bitrate) for frame in frames} == {(44_100, 128)}
    assert mp3.seconds(data) == pytest.approx(song.seconds, abs=0.3)
    assert mp3.sounding(data) > 0.9


def test_a_song_can_be_played_by_hand():
    code = [sys.executable, "-m", "beatra_site.sandbox.music", "a", "calm", "waltz"]
    done = subprocess.run(code, cwd=ROOT, capture_output=True, check=True)
    assert 20 < mp3.seconds(done.stdout) < 30


def test_a_stretch_of_sound_adds_shifts_and_parts_as_its_samples_would():
    one, other = array("q", [5, -7, 0, -1]), array("q", [-3, 4])
    mixed = stretch(one) + later(stretch(other), 3)
    assert lanes(sides(mixed, 2, -3), 5).tolist() == [10, -15, -14, 21, 0, 0, -8, 12, 8, -12]
    assert lanes(quieter(stretch(array("q", [64, -64, 3])), 4, 3), 3).tolist()[::2] == [4, -4, 0]
