"""What the music models take: every limit, on both sides of its edge."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from catalog.music_models import MusicModel
from contract.errors import ApiError
from tasks_app.music.limits import misfits, refusal
from tasks_app.music.schema import ReferenceAudioToMusicRequest, TextToMusicRequest, parse

REFERENCE = {"type": "artifact", "artifact_id": "art_1"}


def model(id: str, family: str) -> MusicModel:
    return MusicModel(id=id, display_name=id, family=family, auto_rank=1, routes=(), price_version=1, credits_per_task=Decimal(80))


MODELS = {"suno": model("suno-5.5", "suno"), "minimax": model("minimax-music-2.6", "minimax_music")}


def found(family: str, *, with_reference: bool = False, **body: Any) -> tuple[list[str], list[str]]:
    """The names of what the model does not have, and the pointers to what is beyond its limits."""
    given = {"prompt": "p" * 10, **body}
    shape = ReferenceAudioToMusicRequest if with_reference else TextToMusicRequest
    asked = parse({**given, "reference_audio": REFERENCE} if with_reference else given, shape)
    wrong = misfits(asked, MODELS[family])
    assert bool(wrong) == (len(wrong) > 0)
    return list(wrong.unsupported), [error["param"] for error in wrong.wrong]


def suno(**options: Any) -> dict[str, Any]:
    return {"suno": options}


FITS = ([], [])
CUSTOM = {"model_options": suno(custom_mode=True), "title": "t", "lyrics": "l"}
QUIET = {"instrumental": True}
LENGTHS = (
    # family, field, the rest of the request, least, most
    ("suno", "prompt", {}, 1, 500),
    ("suno", "prompt", {"with_reference": True}, 1, 500),
    ("suno", "prompt", CUSTOM, 1, 1000),
    ("suno", "prompt", {**CUSTOM, "with_reference": True}, 1, 1000),
    ("suno", "lyrics", CUSTOM, 1, 5000),
    ("suno", "lyrics", {**CUSTOM, "with_reference": True}, 1, 5000),
    ("suno", "title", {}, 1, 80),
    ("suno", "title", CUSTOM, 1, 80),
    ("minimax", "prompt", QUIET, 1, 2000),
    ("minimax", "prompt", {"with_reference": True}, 10, 300),
    ("minimax", "lyrics", {}, 1, 3500),
    ("minimax", "lyrics", {"with_reference": True}, 10, 1000),
    ("minimax", "title", QUIET, 1, 100),
)


@pytest.mark.parametrize(("family", "name", "rest", "least", "most"), LENGTHS)
def test_a_text_has_its_least_and_its_most_characters(family: str, name: str, rest: dict[str, Any], least: int, most: int):
    for length in (least, most):
        assert found(family, **{**rest, name: "é" * length}) == FITS, length
    for length in (least - 1, most + 1):
        assert found(family, **{**rest, name: "é" * length}) == ([], [f"/{name}"]), length


@pytest.mark.parametrize("name", ["prompt", "lyrics", "title"])
def test_a_text_of_spaces_is_empty(name: str):
    assert found("suno", **{**CUSTOM, name: "  \n"}) == ([], [f"/{name}"])


@pytest.mark.parametrize("name", ["style_weight", "weirdness_constraint", "audio_weight"])
def test_a_weight_is_0_to_1_in_steps_of_a_hundredth(name: str):
    def asked(value: Any) -> Any:
        return found("suno", model_options=suno(**{name: value}))

    for value in (0, 0.0, 0.01, 0.07, 0.29, 0.57, 0.58, 0.99, 1, 1.0, *(n / 100 for n in range(101))):
        assert asked(value) == FITS, value
    for value in (-0.01, 1.01, 0.005, 0.001, 0.995, 1e-9, 0.1 + 0.2, -1, 2, True, False, "0.5", [], {}, 1e300, 2**63):
        assert asked(value) == ([], [f"/model_options/suno/{name}"]), value


@pytest.mark.parametrize(
    ("family", "name", "good", "bad"),
    [
        ("suno", "negative_tags", ["", "drums", "é" * 200], ["é" * 201, 1, True, ["drums"]]),
        ("suno", "vocal_gender", ["m", "f"], ["", "M", "x", "mf", 1, True]),
        ("suno", "custom_mode", [False], [0, 1, "true", "", {}]),
        ("minimax", "lyrics_optimizer", [True, False], [0, 1, "true", "", {}]),
    ],
)
def test_an_option_has_its_type_and_range(family: str, name: str, good: list[Any], bad: list[Any]):
    for value in good:
        assert found(family, **QUIET, model_options={family: {name: value}}) == FITS, value
    for value in bad:
        assert found(family, **QUIET, model_options={family: {name: value}}) == ([], [f"/model_options/{family}/{name}"]), value


def test_custom_mode_needs_a_title_and_lyrics_or_an_instrumental():
    custom = {"model_options": suno(custom_mode=True)}
    assert found("suno", **custom) == ([], ["/title", "/lyrics"])
    assert found("suno", **custom, title="t") == ([], ["/lyrics"])
    assert found("suno", **custom, lyrics="l") == ([], ["/title"])
    assert found("suno", **custom, title="t", lyrics="l") == FITS
    assert found("suno", **custom, title="t", instrumental=True) == FITS
    assert found("suno", **custom, title="t", instrumental=False) == ([], ["/lyrics"])


def test_suno_takes_lyrics_in_custom_mode_only():
    assert found("suno", lyrics="l") == ([], ["/lyrics"])
    assert found("suno", lyrics="l", title="t", model_options=suno(custom_mode=False)) == ([], ["/lyrics"])
    assert found("suno", lyrics=None) == FITS


def test_minimax_needs_lyrics_to_sing():
    assert found("minimax") == ([], ["/lyrics"])
    assert found("minimax", model_options={"minimax": {"lyrics_optimizer": False}}) == ([], ["/lyrics"])
    assert found("minimax", model_options={"minimax": {"lyrics_optimizer": True}}) == FITS
    assert found("minimax", instrumental=True) == FITS
    assert found("minimax", lyrics="l") == FITS


def test_with_a_reference_minimax_sings_what_is_sung_there():
    assert found("minimax", with_reference=True) == FITS
    assert found("minimax", with_reference=True, instrumental=False, model_options={"minimax": {"lyrics_optimizer": False}}) == FITS
    assert found("minimax", with_reference=True, instrumental=True) == (["instrumental"], [])
    optimized = {"model_options": {"minimax": {"lyrics_optimizer": True}}}
    assert found("minimax", with_reference=True, **optimized) == (["model_options.minimax.lyrics_optimizer"], [])
    assert found("suno", with_reference=True, instrumental=True) == FITS


def test_options_of_another_family_are_not_taken():
    assert found("suno", model_options={"minimax": {"lyrics_optimizer": True}}) == (["model_options.minimax"], [])
    assert found("minimax", **QUIET, model_options=suno(style_weight=0.5)) == (["model_options.suno"], [])
    assert found("suno", model_options={"udio": {}}) == (["model_options.udio"], [])
    assert found("suno", model_options=suno(seed=1, lyrics_optimizer=True)) == (
        ["model_options.suno.seed", "model_options.suno.lyrics_optimizer"],
        [],
    )


def test_null_is_not_given_at_every_level():
    options = {"suno": None, "minimax": {"lyrics_optimizer": None}}
    nothing = {"lyrics": None, "title": None, "metadata": None, "model": None}
    assert found("minimax", **QUIET, **nothing, model_options=options) == FITS
    assert found("minimax", **QUIET, **nothing, model_options=None) == FITS
    reference = {"type": "url", "url": "https://example.com/a.mp3", "artifact_id": None, "data": None}
    asked = parse({"prompt": "p", "reference_audio": reference}, ReferenceAudioToMusicRequest)
    assert asked.reference == {"type": "url", "url": "https://example.com/a.mp3"}


def test_all_that_is_wrong_is_told_at_once():
    body = {
        "model": "suno-5.5",
        "prompt": "p" * 1001,
        "title": "t" * 81,
        "lyrics": "l",
        "model_options": suno(custom_mode=True, style_weight=2, seed=1),
    }
    asked = parse(body, TextToMusicRequest)
    error = refusal(asked, MODELS["suno"], misfits(asked, MODELS["suno"]))
    assert (error.code, error.details["unsupported_fields"]) == ("unsupported_option", ["model_options.suno.seed"])
    pointers = [one["param"] for one in error.details["errors"]]
    assert pointers == ["/model_options/suno/seed", "/model_options/suno/style_weight", "/prompt", "/title"]
    assert error.param == "/model_options/suno/seed"
    assert "model_options.suno.seed" in error.message and "/prompt must have at most 1000 characters" in error.message


BAD = {
    "no prompt": ({"prompt": None}, ["/prompt"]),
    "a number as prompt": ({"prompt": 1}, ["/prompt"]),
    "an empty model": ({"model": ""}, ["/model"]),
    "a long model": ({"model": "m" * 129}, ["/model"]),
    "a model that is no text": ({"model": 1}, ["/model"]),
    "a text as flag": ({"instrumental": "true"}, ["/instrumental"]),
    "a number as flag": ({"instrumental": 1}, ["/instrumental"]),
    "lyrics in a list": ({"lyrics": ["la"]}, ["/lyrics"]),
    "unknown fields": ({"seed": 1, "style": "x"}, ["/seed", "/style"]),
    "a reference without one": ({"reference_audio": REFERENCE}, ["/reference_audio"]),
    "metadata that is no object": ({"metadata": []}, ["/metadata"]),
    "17 pairs": ({"metadata": {str(n): "v" for n in range(17)}}, ["/metadata"]),
    "a number in metadata": ({"metadata": {"a": 1}}, ["/metadata/a"]),
    "a long value in metadata": ({"metadata": {"a": "v" * 513}}, ["/metadata/a"]),
    "both families": ({"model_options": {"suno": {}, "minimax": {}}}, ["/model_options"]),
    "options that are no object": ({"model_options": [1]}, ["/model_options"]),
    "a family that is no object": ({"model_options": {"suno": True}}, ["/model_options/suno"]),
    "very many fields": ({f"f{n}": 1 for n in range(5000)}, [""]),
}


@pytest.mark.parametrize(("body", "pointers"), BAD.values(), ids=BAD)
def test_a_bad_body_is_refused_with_every_bad_field(body: dict[str, Any], pointers: list[str]):
    with pytest.raises(ApiError) as refused:
        parse({"prompt": "p", **body}, TextToMusicRequest)
    error = refused.value
    assert (error.code, [one["param"] for one in error.details["errors"]]) == ("invalid_request", pointers)
    assert error.param == pointers[0]


def test_16_pairs_of_metadata_are_taken():
    metadata = {f"{n:064}": "v" * 512 for n in range(16)}
    assert parse({"prompt": "p", "metadata": metadata}, TextToMusicRequest).metadata == metadata


BAD_REFERENCES = {
    "none": (None, ["/reference_audio"]),
    "no object": ("art_1", ["/reference_audio"]),
    "no type": ({"artifact_id": "art_1"}, ["/reference_audio/type"]),
    "an unknown type": ({"type": "file", "artifact_id": "art_1"}, ["/reference_audio/type"]),
    "nothing but a type": ({"type": "artifact"}, ["/reference_audio/artifact_id"]),
    "two kinds": ({"type": "url", "url": "https://example.com", "artifact_id": "art_1"}, ["/reference_audio/artifact_id"]),
    "the other kind": ({"type": "data_uri", "url": "https://e.com"}, ["/reference_audio/url", "/reference_audio/data"]),
    "a number": ({"type": "url", "url": 1}, ["/reference_audio/url"]),
    "an unknown field": ({"type": "url", "url": "https://e.com", "headers": {}}, ["/reference_audio/headers"]),
}


@pytest.mark.parametrize(("reference", "pointers"), BAD_REFERENCES.values(), ids=BAD_REFERENCES)
def test_a_reference_is_named_in_one_way(reference: Any, pointers: list[str]):
    with pytest.raises(ApiError) as refused:
        parse({"prompt": "p", "reference_audio": reference}, ReferenceAudioToMusicRequest)
    assert [one["param"] for one in refused.value.details["errors"]] == pointers
