"""The page that makes music: what it costs, what is wrong at its field, and once for each form."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from accounts.models import Account
from catalog.models import Model
from tasks_app.models import Task
from tests.browsing import browser, read, signed_in, text
from tests.factories import WalletFactory
from tests.tasks_app.paid_task import paid_task
from tests.tasks_app.states import stored, succeeded
from wallets.models import LedgerEntry, Wallet

pytestmark = pytest.mark.django_db
PAGE = "/music/"


@pytest.fixture
def wallet():
    return WalletFactory(balance=1000)


@pytest.fixture
def owner(wallet):
    return signed_in(wallet.account.user)


def form(**given):
    return {"model": "auto", "prompt": "A calm piano piece", "instrumental": "on", "submission": str(uuid4()), **given}


def tasks(wallet):
    return list(Task.objects.of_account(wallet.account).order_by("created_at"))


def test_a_stranger_is_sent_to_sign_in():
    assert browser().get(PAGE).headers["Location"] == f"/accounts/login/?next={PAGE}"
    assert browser().post(PAGE, form()).headers["Location"].startswith("/accounts/login/")


def test_it_shows_each_model_with_its_price_and_what_there_is_to_pay_with(owner):
    words = text(owner.get(PAGE))
    assert "You have 1,000.0000 credits." in words
    assert "80.0000 credits 2 clips" in words
    assert "50.0000 credits 1 clip" in words
    assert "Auto 50.0000 to 80.0000 credits" in words


def test_it_makes_a_task_that_is_paid_and_leads_to_it(owner, wallet):
    answer = owner.post(PAGE, form(model="suno-5.5", title="Rain"))
    (task,) = tasks(wallet)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/tasks/{task.pk}")
    assert task.input == {"prompt": "A calm piano piece", "title": "Rain", "instrumental": True}
    assert (task.model_asked, task.capability, task.usage.key_prefix) == ("suno-5.5", "text_to_music", "")
    assert Wallet.objects.get(pk=wallet.pk).balance == 920


def test_a_form_that_is_sent_twice_makes_one_task(owner, wallet):
    given = form()
    first, second = owner.post(PAGE, given), owner.post(PAGE, given)
    assert first.headers["Location"] == second.headers["Location"]
    assert len(tasks(wallet)) == 1
    assert LedgerEntry.objects.filter(wallet=wallet, kind="charge").count() == 1


def test_a_form_that_was_changed_after_it_was_sent_asks_before_it_makes_another(owner, wallet):
    given = form()
    owner.post(PAGE, given)
    answer = owner.post(PAGE, {**given, "prompt": "Loud drums"})
    assert answer.status_code == 409
    assert "This form was sent before, and made a task." in text(answer)
    assert len(tasks(wallet)) == 1
    (submission,) = re.findall(r'name="submission" value="([0-9a-f-]+)"', answer.content.decode())
    assert owner.post(PAGE, {**given, "prompt": "Loud drums", "submission": submission}).status_code == 302
    assert [task.input["prompt"] for task in tasks(wallet)] == ["A calm piano piece", "Loud drums"]


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"prompt": ""}, "prompt", "Say what it is to sound like."),
        ({"model": "suno-5.5", "prompt": "x" * 501}, "prompt", "Must have at most 500 characters for Suno 5.5."),
        ({"model": "suno-5.5", "lyrics": "la la"}, "lyrics", "Needs “Custom mode” for Suno 5.5."),
        ({"model": "suno-5.5", "suno-custom_mode": "on"}, "title", "Needed in custom mode for Suno 5.5."),
        ({"model": "suno-5.5", "suno-style_weight": "0.505"}, "suno-style_weight", "Must be a number from 0 to 1, in steps of 0.01."),
        (
            {"model": "minimax-music-2.6", "instrumental": ""},
            "lyrics",
            "Needed for MiniMax Music 2.6, unless “Instrumental” or “Lyrics optimizer” is chosen.",
        ),
        ({"model": "gone"}, "model", "There is no music model “gone” any more."),
        ({"reference": "art_1"}, "reference", "There is no such audio of yours, or not any more."),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_nothing_is_made(owner, wallet, given, field, words):
    answer = owner.post(PAGE, form(**given))
    assert answer.status_code in (400, 422)
    assert answer.context["form"].errors == {field: [words]}
    assert words in text(answer)
    (focus,) = re.findall(r"<[^>]* autofocus[^>]*>", answer.content.decode())
    assert f'name="{field}"' in focus
    assert tasks(wallet) == []


@pytest.mark.parametrize(("model", "opened"), [("suno-5.5", ["suno"]), ("minimax-music-2.6", ["minimax"]), ("auto", [])])
def test_the_options_of_the_chosen_model_are_open_when_something_is_wrong(owner, model, opened):
    def open_ones(answer):
        return re.findall(r'<details [^>]*data-options="(\w+)" open>', answer.content.decode())

    assert open_ones(owner.post(PAGE, form(model=model, prompt="x" * 2001))) == opened
    assert open_ones(owner.get(PAGE)) == []


def test_where_auto_finds_none_it_says_that_it_tells_of_the_closest(owner, wallet):
    answer = owner.post(PAGE, form(prompt="x" * 600, instrumental=""))
    assert "No model takes this as it is. Below is what the closest would need" in text(answer)
    assert answer.context["form"].errors["prompt"] == ["Must have at most 500 characters for Suno 5.5."]
    assert tasks(wallet) == []


def test_it_says_how_long_texts_may_be_and_how_large_numbers(owner):
    words = text(owner.get(PAGE))
    assert "500 characters for Suno 5.5 (1,000 in custom mode)" in words
    assert "2,000 characters for MiniMax Music 2.6 (10 to 300 with a reference)" in words
    assert "A number from 0 to 1." in words


def test_options_count_with_their_own_model(owner, wallet):
    options = {"suno-custom_mode": "on", "suno-style_weight": "0.5", "suno-vocal_gender": "f", "minimax-lyrics_optimizer": "on"}
    owner.post(PAGE, form(model="suno-5.5", title="Rain", lyrics="one\r\ntwo", instrumental="", **options))
    owner.post(PAGE, form(model="minimax-music-2.6", instrumental="", **options))
    owner.post(PAGE, form(**options))
    first, second, third = tasks(wallet)
    assert first.input["model_options"] == {"suno": {"custom_mode": True, "style_weight": 0.5, "vocal_gender": "f"}}
    assert first.input["lyrics"] == "one\ntwo"
    assert second.input["model_options"] == {"minimax": {"lyrics_optimizer": True}}
    assert "model_options" not in third.input


def test_who_has_too_little_is_led_to_more():
    wallet = WalletFactory(balance=79)
    answer = signed_in(wallet.account.user).post(PAGE, form(model="suno-5.5"))
    assert answer.status_code == 402
    assert "This task costs 80.0000 credits; the wallet has 79.0000. Add credits" in text(answer)
    assert "/wallet/add/" in read(answer).links
    assert tasks(wallet) == []


def test_a_clip_or_an_upload_of_ones_own_is_its_reference(owner, wallet):
    clip = stored(paid_task(wallet))
    succeeded(clip)
    upload = stored(None, account=wallet.account, kind="upload", filename="theme.mp3")
    page = owner.get(f"{PAGE}?reference={clip.pk}")
    assert f'<option value="{clip.pk}" selected>' in page.content.decode()
    assert "theme.mp3 (24 s)" in text(page)
    for chosen in (clip, upload):
        owner.post(PAGE, form(model="suno-5.5", reference=chosen.pk))
    _, *made = tasks(wallet)
    assert [(task.capability, task.reference) for task in made] == [
        ("reference_audio_to_music", clip),
        ("reference_audio_to_music", upload),
    ]


def test_anothers_audio_is_no_reference(owner, wallet):
    theirs = stored(paid_task())
    assert theirs.pk not in owner.get(f"{PAGE}?reference={theirs.pk}").content.decode()
    assert owner.post(PAGE, form(reference=theirs.pk)).status_code == 422
    assert tasks(wallet) == []


def test_a_suspended_account_makes_none(owner, wallet):
    Account.objects.filter(pk=wallet.account.pk).update(status="suspended")
    assert "This account is suspended: it can't make music." in text(owner.get(PAGE))
    assert owner.post(PAGE, form()).status_code == 409
    assert tasks(wallet) == []


def test_without_a_model_it_says_so(owner):
    Model.objects.filter(capability="music").update(enabled=False)
    assert "There is no music model at the moment." in text(owner.get(PAGE))
