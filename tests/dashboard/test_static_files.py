"""Style sheets and scripts: sent whole, from where they lie, with what a browser needs to keep them."""

from __future__ import annotations

import pytest
from django.contrib.staticfiles.storage import StaticFilesStorage as PlainStorage

from beatra_site.static_files import StaticFilesStorage
from tests.browsing import browser

CSS = "/static/css/beatra.css"


def test_a_file_is_one_plain_response():
    response = browser().get(CSS)
    assert (response.status_code, response.streaming) == (200, False)
    assert response.headers["Content-Type"] == 'text/css; charset="utf-8"'
    assert int(response.headers["Content-Length"]) == len(response.content) > 1000


def test_a_file_that_the_browser_has_is_not_sent_again():
    seen = browser().get(CSS).headers["Last-Modified"]
    response = browser().get(CSS, headers={"if-modified-since": seen})
    assert (response.status_code, response.content) == (304, b"")


def test_head_and_range_are_answered_and_a_post_is_not():
    whole = browser().get(CSS).content
    assert browser().head(CSS).content == b""
    part = browser().get(CSS, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole[10:20])
    assert browser().post(CSS).status_code == 405


@pytest.mark.parametrize("path", ["/static/../manage.py", "/static/%2e%2e/manage.py", "/static/css/", "/static/none.css"])
def test_nothing_else_is_served(path, db):
    assert browser().get(path).status_code == 404


def test_names_are_plain_until_files_are_collected_and_hashed_afterwards(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    storage = StaticFilesStorage()
    assert storage.url("css/beatra.css") == CSS
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "beatra.css").write_text("p { color: red }")
    list(storage.post_process({"css/beatra.css": (PlainStorage(location=tmp_path), "css/beatra.css")}))
    hashed = StaticFilesStorage().url("css/beatra.css")
    assert hashed != CSS
    assert (tmp_path / hashed.removeprefix("/static/")).is_file()
