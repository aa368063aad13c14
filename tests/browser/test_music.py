"""Making music as people do it: the form, a task that is followed until it plays, uploads; with and without JavaScript."""

from __future__ import annotations

import os
import re
import sys
import urllib.parse
from collections.abc import Iterator

import pytest
from django.db import connection
from playwright.sync_api import expect

from tests.servers import SERVERS, Server
from tests.tasks_app.media_files import mp3

BROKER = 4
"""The database of Valkey that this site's worker has for itself: no other takes its jobs."""
PATIENCE_MS = 120_000


class Worker(Server):
    """All queues, threads, and beat, which tells it every three seconds what is due."""

    def __init__(self) -> None:
        url = urllib.parse.urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
        broker = urllib.parse.urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{BROKER}").geturl()
        command = [sys.executable, "-m", "celery", "-A", "beatra_site", "worker", "--beat", "--pool", "threads", "--concurrency", "8"]
        command += ["--schedule-filename", str(SERVERS.var / "browser-schedule"), "--hostname", "browser@%h"]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "info"]
        environment = {"DATABASE_URL": url, "REDIS_URL": broker, "TASK_POLL_SECONDS": "1"}
        super().__init__("browser-worker", command, var=SERVERS.var, environment=environment)


@pytest.fixture
def worker(shop) -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.kill()


def fill(page, prompt):
    page.get_by_label("Prompt").fill(prompt)
    page.get_by_label("Instrumental").check()


@pytest.mark.parametrize("options", [{}, {"javascript": False, "width": 360}], ids=["htmx", "plain, on a phone"])
def test_music_is_made_and_plays(visitor, worker, options):
    ann = visitor(**options)
    ann.sign_up()
    page = ann.open("/")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Music").click()
    expect(page.get_by_text("You have 1,000.0000 credits.")).to_be_visible()
    page.get_by_label("Suno 5.5").check()
    fill(page, "A calm piano piece for a rainy evening")
    assert ann.overflow() <= 0
    page.get_by_role("button", name="Make it").click()

    expect(page).to_have_url(re.compile("/tasks/tsk_"))
    expect(page.get_by_text("Succeeded")).to_be_visible(timeout=PATIENCE_MS)
    players = page.locator("audio")
    expect(players).to_have_count(2)
    if not options:
        for at in range(2):
            players.nth(at).evaluate("audio => audio.readyState || new Promise(done => audio.addEventListener('loadedmetadata', done))")
            assert players.nth(at).evaluate("audio => audio.duration") > 15
    expect(page.locator("[hx-trigger]")).to_have_count(0)
    assert ann.overflow() <= 0
    with page.expect_download() as download:
        page.get_by_role("link", name="Download clip 1").click()
    assert download.value.suggested_filename.endswith(".mp3")

    page.get_by_role("link", name="Receipt").click()
    expect(page.get_by_text("Task succeeded")).to_be_visible()
    page.get_by_role("link", name="Open the task").click()
    page.get_by_role("link", name="Use clip 2 as reference").click()
    expect(page.get_by_label("Reference")).not_to_have_value("")


@pytest.mark.parametrize("options", [{}, {"javascript": False, "width": 360}], ids=["htmx", "plain, on a phone"])
def test_a_task_that_waits_is_canceled(visitor, options):
    ann = visitor(**options)
    ann.sign_up()
    page = ann.open("/music/")
    fill(page, "Loud drums")
    page.get_by_role("button", name="Make it").click()
    page.get_by_role("button", name="Cancel it").click()
    expect(page.get_by_text("It was canceled, and its 50.0000 credits were refunded.")).to_be_visible()
    page.get_by_role("link", name="Tasks").click()
    expect(page.get_by_role("row").filter(has_text="Loud drums")).to_contain_text("Canceled")
    assert ann.overflow() <= 0


@pytest.mark.parametrize("options", [{}, {"javascript": False, "width": 360}], ids=["htmx", "plain, on a phone"])
def test_an_upload_becomes_a_reference_and_goes(visitor, options):
    ann = visitor(**options)
    ann.sign_up()
    page = ann.open("/uploads/")
    expect(page.get_by_text("No uploads yet.")).to_be_visible()
    page.get_by_label("Upload a file").set_input_files({"name": f"{'x' * 90}.mp3", "mimeType": "audio/mpeg", "buffer": mp3(8)})
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_text("is kept.")).to_be_visible()
    assert ann.overflow() <= 0
    page.get_by_role("link", name="Use it as reference").click()
    expect(page.get_by_label("Reference")).not_to_have_value("")
    assert ann.overflow() <= 0
    page.go_back()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("is deleted.")).to_be_visible()
    expect(page.get_by_text("No uploads yet.")).to_be_visible()


def test_options_show_where_they_count(visitor):
    ann = visitor()
    ann.sign_up()
    page = ann.open("/music/")
    suno, minimax = page.get_by_text("Options of Suno 5.5"), page.get_by_text("Options of MiniMax Music 2.6")
    expect(suno).to_be_hidden()
    page.get_by_label("Suno 5.5").check()
    expect(suno).to_be_visible()
    expect(minimax).to_be_hidden()
    page.get_by_label("MiniMax Music 2.6").check()
    expect(suno).to_be_hidden()
    expect(minimax).to_be_visible()
