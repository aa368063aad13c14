"""The list of tasks and the page of one, in each of its states: for its owner alone."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tasks_app import ending
from tasks_app.models import Artifact, Task
from tasks_app.pages import PAGE_LENGTH
from tests.browsing import browser, read, signed_in, text
from tests.factories import StaffFactory, WalletFactory
from tests.tasks_app import states
from tests.tasks_app.states import HOUR, stored, succeeded

pytestmark = pytest.mark.django_db
LIST = "/tasks/"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def wallet():
    return WalletFactory(balance=1000)


@pytest.fixture
def owner(wallet):
    return signed_in(wallet.account.user)


def page(task):
    return f"/tasks/{task.pk}"


def asks(response):
    """Where the page asks how it stands, if it does."""
    return next((link for link in read(response).links if "?seen=" in link), None)


def test_a_stranger_is_sent_to_sign_in_and_anothers_task_is_none(wallet):
    task = states.running(wallet)
    other = signed_in(WalletFactory().account.user)
    for path in (page(task), LIST):
        assert browser().get(path).headers["Location"] == f"/accounts/login/?next={path}"
        assert signed_in(StaffFactory()).get(path).headers["Location"] == "/admin/"
    assert other.get(page(task)).status_code == 404
    assert other.post(f"{page(task)}/cancel").status_code == 404
    assert other.get("/tasks/tsk_1").status_code == 404
    assert Task.objects.get(pk=task.pk).cancel_requested_at is None
    assert "No tasks yet." in text(other.get(LIST))


def test_an_empty_list_says_how_to_begin(owner):
    words = text(owner.get(LIST))
    assert "/v1/music/text-to-music" in words
    assert "/music/" in read(owner.get(LIST)).links


def test_the_list_shows_what_each_is_and_costs_and_is_filtered(owner, wallet):
    made = [states.running(wallet, input={"prompt": "Loud drums"}), states.failed(wallet)]
    made += [states.queued(wallet, input={"prompt": "Loud drums", "title": "Thunder"}, capability="reference_audio_to_music")]
    words = text(owner.get(LIST))
    assert [name for _, name, _ in owner.get(LIST).context["rows"]] == ["Thunder", "A calm piano piece", "Loud drums"]
    assert "Failed 50.0000 refunded 50.0000" in words
    for query, found in (
        ("?status=running", made[:1]),
        ("?capability=reference_audio_to_music", made[2:]),
        ("?status=failed&capability=reference_audio_to_music", []),
    ):
        assert [task for task, *_ in owner.get(LIST + query).context["rows"]] == found
    assert "No task matches these filters." in text(owner.get(LIST + "?status=canceled"))
    assert "There is no status “odd”." in text(owner.get(LIST + "?status=odd"))
    assert owner.get(LIST + "?cursor=forged").status_code == 404


def test_a_long_list_goes_on_where_it_ended(owner):
    wallet = WalletFactory(balance=1000)
    for _ in range(PAGE_LENGTH + 1):
        states.queued(wallet, credits=Decimal(1))
    owner = signed_in(wallet.account.user)
    first = owner.get(LIST)
    (older,) = [link for link in read(first).links if "cursor=" in link][:1]
    rest = owner.get(older, headers=HTMX)
    assert (len(first.context["rows"]), len(rest.context["rows"])) == (PAGE_LENGTH, 1)
    assert "<h1" not in rest.content.decode()
    assert "Older tasks. Back to the newest" in text(owner.get(older))


def test_one_that_runs_is_asked_about_until_it_has_ended(owner, wallet):
    task = states.running(wallet, percent=40)
    shown = owner.get(page(task))
    assert "Making the music 40 %" in text(shown)
    assert '<meta http-equiv="refresh" content="5">' in shown.content.decode()
    assert owner.get(asks(shown), headers=HTMX).status_code == 204

    Task.objects.filter(pk=task.pk).update(percent=50)
    again = owner.get(asks(shown), headers=HTMX)
    assert "Making the music 50 %" in text(again)
    assert "<html" not in again.content.decode()

    ending.fail(task.pk, states.OVERLOADED)
    over = owner.get(asks(again), headers=HTMX)
    assert "It failed: The provider is overloaded. Trying again may help. The 50.0000 credits were refunded." in text(over)
    for answer in (over, owner.get(page(task))):
        assert asks(answer) is None
        assert "hx-trigger" not in answer.content.decode()
        assert "http-equiv" not in answer.content.decode()


def test_one_that_is_done_plays_and_is_downloaded(owner, wallet):
    task = states.running(wallet, input={"prompt": "Loud <b>drums</b>", "title": "Thunder"}, warnings=[{"message": "Mind this."}])
    task = succeeded(stored(task), stored(task))
    shown = owner.get(page(task))
    words = text(shown)
    sources = [source for source in read(shown).sources if source.startswith("/files/")]
    assert len(sources) == 2
    assert {f"{source}?download" for source in sources} <= set(read(shown).links)
    for part in ("24.5 s, 3.9 KB, audio/mpeg, kept until", "piano", "Mind this.", "50.0000 credits", "Loud <b>drums</b>"):
        assert part in words
    assert f"/usage/{task.pk}/" in read(shown).links
    assert read(shown).inline == []

    Artifact.objects.filter(task=task).update(expires_at=task.created_at - HOUR)
    gone = owner.get(page(task))
    assert [source for source in read(gone).sources if source.startswith("/files/")] == []
    assert "Its audio is not kept any more." in text(gone)


def test_a_queued_one_is_canceled_at_once(owner, wallet):
    task = states.queued(wallet)
    answer = owner.post(f"{page(task)}/cancel", follow=True)
    assert "The task is canceled, and its price was given back." in text(answer)
    assert "It was canceled, and its 50.0000 credits were refunded." in text(answer)
    assert "had already ended" not in text(answer)
    assert "The task has already ended: it is canceled." in text(owner.post(f"{page(task)}/cancel", follow=True))


def test_a_running_one_is_to_be_canceled_and_beyond_the_limit_goes_on(owner, wallet, settings):
    settings.TASK_CANCELS_A_DAY = 1
    first, second = states.running(wallet), states.running(wallet)
    shown = owner.get(page(first))
    assert "You may cancel 1 more running task for now." in text(shown)
    assert " disabled>Cancel it" not in shown.content.decode()
    words = text(owner.post(f"{page(first)}/cancel", follow=True))
    assert words.count("being canceled") == 1
    assert "It is being canceled. Its price will be given back" in words
    assert "Cancel it" not in words
    shown = owner.get(page(second))
    assert "You have canceled as many running tasks as may be in 24 hours. This one goes on." in text(shown)
    assert " disabled>Cancel it" in shown.content.decode()
    refused = owner.post(f"{page(second)}/cancel", follow=True)
    assert "has canceled 1 running tasks in the last 24 hours, as many as are refunded. The task goes on." in text(refused)
    assert Task.objects.get(pk=second.pk).cancel_requested_at is None


def test_what_was_asked_for_is_in_words(owner, wallet):
    file = stored(None, account=wallet.account, kind="upload", filename="theme.mp3")
    options = {"suno": {"custom_mode": True, "vocal_gender": "f", "style_weight": 0.5}}
    reference = {"type": "artifact", "artifact_id": file.pk}
    task = states.queued(wallet, input={"prompt": "Rain", "model_options": options, "reference_audio": reference})
    shown = owner.get(page(task))
    words = text(shown)
    assert "Reference theme.mp3 Custom mode Yes Style weight 0.5 Vocal gender Female" in words
    assert any(link.startswith("/files/") for link in read(shown).links)
    Artifact.objects.filter(pk=file.pk).update(expires_at=task.created_at - HOUR)
    assert f"Reference {file.pk} (not kept any more)" in text(owner.get(page(task)))


def test_a_cancel_is_a_post(owner, wallet):
    assert owner.get(f"{page(states.queued(wallet))}/cancel").status_code == 405


def test_usage_and_receipt_lead_to_it(owner, wallet):
    task = states.queued(wallet)
    for path in ("/", "/usage/", f"/usage/{task.pk}/"):
        assert page(task) in read(owner.get(path)).links
