"""The site with all that makes music: a web process, a worker of short steps with beat, one of long calls, the stand-in providers."""

from __future__ import annotations

import os
import sys
import time
import urllib.parse
from decimal import Decimal
from typing import Any

import httpx
import redis

from tests.conftest import Site
from tests.customer import Customer
from tests.gate import assert_nothing_held
from tests.servers import SERVERS, Server
from wallets.models import LedgerEntry

PATIENCE_SECONDS = 180
BROKER = 4
"""The database of Valkey that these processes have for themselves."""
TEXT, REFERENCE = "/music/text-to-music", "/music/reference-audio-to-music"
PRICES = {"suno-5.5": Decimal(80), "minimax-music-2.6": Decimal(50)}
PAUSE_SECONDS = 0.2
"""Between two polls."""


class Worker(Server):
    """A worker with threads for `queues`."""

    def __init__(self, name: str, *arguments: str, environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "celery", "-A", "beatra_site", "worker", "--pool", "threads", "--concurrency", "8"]
        command += ["--hostname", f"{name}@%h", "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "info"]
        super().__init__(name, [*command, *arguments], var=SERVERS.var, environment=environment)

    def wait(self) -> None:
        """Wait until it has started and takes work."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while " ready." not in self.log:
            assert self.alive and time.monotonic() < deadline, self.log[-3000:]
            time.sleep(PAUSE_SECONDS)


class MusicSite:
    """Speaks to the site as its customers do, over HTTP."""

    def __init__(self, site: Site) -> None:
        broker = urllib.parse.urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{BROKER}").geturl()
        with redis.Redis.from_url(broker) as client:
            client.flushdb()
        self.sandbox = site.sandbox
        self.web = site.start_web({"REDIS_URL": broker})
        environment = {"REDIS_URL": broker, "DATABASE_URL": site.database_url, "SITE_URL": self.web.url}
        schedule = str(SERVERS.var / "music-schedule")
        beat = ("--beat", "--schedule-filename", schedule)
        self.steps = Worker("music", "--queues", "beatra,music", *beat, environment=environment)
        self.calls = Worker("music-calls", "--queues", "music-calls", environment=environment)
        for worker in (self.steps, self.calls):
            worker.wait()

    def stop(self) -> None:
        for server in (self.steps, self.calls, self.web):
            server.stop()

    @property
    def logs(self) -> str:
        """All that its processes and the stand-in have written."""
        own = self.web.log + self.steps.log + self.calls.log
        return own + (SERVERS.sandbox.log if SERVERS.sandbox is not None else "")

    def customer(self) -> Customer:
        """With 1000 credits."""
        return Customer(self.web.v1)

    def script(self, marker: str, *steps: dict[str, Any]) -> str:
        """The words that have the stand-in treat the sendings of a prompt by these steps, one after the other, and well after them."""
        text: str = httpx.post(f"{self.sandbox}/control/scripts", json={"marker": marker, "steps": steps}).raise_for_status().json()["text"]
        return text

    def generations(self, word: str) -> list[dict[str, Any]]:
        """What the stand-ins have begun to make, and would bill, for prompts with `word` in them."""
        answer = httpx.get(f"{self.sandbox}/control/generations", params={"prompt": word}).json()
        found: list[dict[str, Any]] = answer["generations"]
        return found

    def ended(self, owner: Customer, task_id: str) -> dict[str, Any]:
        """Poll the task until it has ended."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        seen = 0
        while True:
            answer = owner.http.get(f"/tasks/{task_id}")
            assert answer.status_code == 200, answer.text
            task: dict[str, Any] = answer.json()
            assert task["progress"]["percent"] >= seen, "it goes back"
            seen = task["progress"]["percent"]
            if task["status"] in ("succeeded", "failed", "canceled"):
                return task
            assert time.monotonic() < deadline, f"{task}\n{self.steps.log[-3000:]}\n{self.calls.log[-3000:]}"
            time.sleep(PAUSE_SECONDS)


def created(owner: Customer, body: dict[str, Any], *, path: str = TEXT, key: str | None = None) -> dict[str, Any]:
    """A task that is made now."""
    answer = owner.http.post(path, json=body, headers={} if key is None else {"Idempotency-Key": key})
    assert answer.status_code == 202, answer.text
    task: dict[str, Any] = answer.json()
    return task


def assert_paid(owner: Customer, task: dict[str, Any]) -> None:
    """The customer's only task has ended well, and was charged once, wherever one looks."""
    _assert_books(owner, task, price=PRICES[task["resolved_model"]], refunded=Decimal(0))


def assert_refunded(owner: Customer, task: dict[str, Any]) -> None:
    """The customer's only task has ended otherwise, gave nothing, and was charged and refunded once, wherever one looks."""
    assert (task["output"], task["usage"]["audio_seconds"]) == (None, 0)
    price = PRICES[task["resolved_model"]]
    _assert_books(owner, task, price=price, refunded=price)


def _assert_books(owner: Customer, task: dict[str, Any], *, price: Decimal, refunded: Decimal) -> None:
    entries = LedgerEntry.objects.filter(usage_record=task["task_id"]).order_by("seq").values_list("kind", "amount")
    assert list(entries) == [("charge", -price)] + ([("refund", price)] if refunded else [])
    billing, receipt = task["billing"], owner.http.get(f"/usage/{task['task_id']}").json()
    assert (billing["charged_credits"], billing["refunded_credits"]) == (f"{price:.4f}", f"{refunded:.4f}")
    assert (receipt["credits"], receipt["refunded_credits"]) == (f"{price:.4f}", f"{refunded:.4f}")
    assert receipt["outcome"] == task["status"]
    wallet = owner.http.get("/wallet").json()
    assert (wallet["balance"], wallet["held"]) == (f"{1000 - price + refunded:.4f}", "0.0000")
    assert_nothing_held(owner)
