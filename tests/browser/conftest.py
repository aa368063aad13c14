"""Tests in a real Chromium: the system's, else the one `playwright install chromium` has fetched.

They run wherever there is one. Elsewhere, as on a bare machine, they are left out, and the summary says so.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.visitor import Visitor
from tests.conftest import Site
from tests.servers import Web

# Playwright's sync API keeps an event loop running in its thread, in which Django refuses to work: it gets a thread of its own,
# and so do the tests that use it.
_THREAD = ThreadPoolExecutor(1, thread_name_prefix="browser")
_QUIET = ("--no-first-run", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync")
_left_out = pytest.StashKey[int]()


@cache
def chromium() -> str:
    """The path of a Chromium, or nothing."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if path := shutil.which(name):
            return path

    def own() -> str:
        with sync_playwright() as playwright:
            return playwright.chromium.executable_path

    path = _THREAD.submit(own).result()
    return path if Path(path).exists() else ""


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker("browser")  # asked for this folder's tests only


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = [item for item in items if item.get_closest_marker("browser")]
    if not here or chromium():
        return
    config.stash[_left_out] = len(here)
    config.hook.pytest_deselected(items=here)
    items[:] = [item for item in items if item not in here]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if count := config.stash.get(_left_out, 0):
        terminalreporter.section("NO BROWSER", yellow=True)
        terminalreporter.line(f"{count} browser tests were left out: there is no Chromium. `playwright install chromium` fetches one.")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if pyfuncitem.get_closest_marker("browser") is None:
        return None
    wanted = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    _THREAD.submit(pyfuncitem.obj, **wanted).result()
    return True


@pytest.fixture(scope="session")
def shop(site: Site) -> Web:
    """The site as a newcomer finds it, with welcome credits."""
    return site.start_web({"WELCOME_CREDITS": "1000"})


@pytest.fixture(scope="session")
def _browser() -> Iterator[Browser]:
    playwright = _THREAD.submit(lambda: sync_playwright().start()).result()
    # Without its own sandbox it also starts as root, in a container
    launch = lambda: playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", *_QUIET])  # noqa: E731  for the thread
    browser = _THREAD.submit(launch).result()
    yield browser
    _THREAD.submit(browser.close).result()
    _THREAD.submit(playwright.stop).result()


@pytest.fixture
def visitor(shop: Web, _browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors of the shop, or of another `url`: `visitor(width=360, javascript=False)`. None may meet an error on any page."""
    visitors: list[Visitor] = []

    def make(**options: Any) -> Visitor:
        visitors.append(Visitor(_browser, **{"url": shop.url, **options}))
        return visitors[-1]

    yield make
    for one in visitors:
        _THREAD.submit(one.leave).result()
    assert [error for one in visitors for error in one.errors] == []
