"""Whether the real site says that it lives and is ready."""

import urllib.parse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from django.core.management import call_command

from tests.conftest import Site
from tests.relay import Relay
from wallets.models import AuditRun


@pytest.mark.parametrize("path", ["/v1/health", "/v1/health/", "/livez"])
def test_it_lives_without_a_key(site: Site, path: str):
    answer = httpx.get(f"{site.url}{path}")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["x-request-id"]


def test_it_is_ready_with_the_state_of_each_thing(site: Site):
    answer = httpx.get(f"{site.url}/readyz")
    assert answer.status_code == 200
    checks = answer.json()["checks"]
    assert checks.pop("audit")["state"] in {"never", "ok"}
    assert answer.json()["status"] == "ready"
    assert checks == {"database": "ok", "redis": "ok", "broker": "ok", "storage": "ok"}


@pytest.fixture
def audited(site: Site, committed: None) -> Iterator[Callable[..., Any]]:
    """What the site says of the last audit, had there been such a one; none were there before the test, and none after."""
    AuditRun.objects.all().delete()

    def asked(**run: Any) -> Any:
        if run:
            AuditRun.objects.create(wallets=3, entries=5, usage_records=4, **run)
        answer = httpx.get(f"{site.url}/readyz")
        assert (answer.status_code, answer.json()["status"]) == (200, "ready")
        return answer.json()["checks"]["audit"]

    yield asked
    AuditRun.objects.all().delete()


def test_it_shows_the_last_audit_and_stays_ready_whatever_came_of_it(audited: Callable[..., Any]):
    now = datetime.now(UTC).replace(microsecond=0)
    assert audited() == {"state": "never"}
    two_days_ago = now - timedelta(days=2)
    assert audited(ended_at=two_days_ago, differences=0) == {"state": "overdue", "at": two_days_ago.isoformat(), "differences": 0}
    assert audited(ended_at=now, differences=0) == {"state": "ok", "at": now.isoformat(), "differences": 0}
    assert audited(ended_at=now, differences=2) == {"state": "differences", "at": now.isoformat(), "differences": 2}


def test_what_the_command_finds_is_shown_by_every_process(audited: Callable[..., Any]):
    call_command("audit_wallets")
    assert audited()["state"] == "ok"


def test_a_probe_may_come_by_address(site: Site):
    for path, status in [("/livez", 200), ("/readyz", 200), ("/v1/health", 400)]:
        assert httpx.get(f"{site.url}{path}", headers={"Host": "10.0.0.7:8000"}).status_code == status


def test_redis_may_be_away_and_the_database_may_not(site: Site):
    database = urllib.parse.urlsplit(site.database_url)
    relay = Relay(database.hostname or "", database.port or 5432)
    user, _, _ = database.netloc.rpartition("@")
    through_relay = database._replace(netloc=f"{user}@127.0.0.1:{relay.port}").geturl()
    web = site.start_web({"REDIS_URL": "redis://127.0.0.1:1/0", "DATABASE_URL": through_relay})
    try:
        without_redis = httpx.get(f"{web.url}/readyz", timeout=20)
        relay.cut()
        without_both = httpx.get(f"{web.url}/readyz", timeout=20)
        lives = httpx.get(f"{web.url}/livez", timeout=20)
    finally:
        relay.cut()
        web.stop()
    assert without_redis.status_code == 200
    assert {**without_redis.json()["checks"], "audit": None} == {
        "audit": None,
        "database": "ok",
        "redis": "away",
        "broker": "away",
        "storage": "ok",
    }
    assert without_both.json()["checks"]["audit"] == {"state": "away"}
    assert without_both.status_code == 503
    assert without_both.json()["status"] == "unavailable"
    assert without_both.json()["checks"]["database"] == "away"
    assert lives.status_code == 200


def test_another_method_is_refused_by_name(site: Site):
    answer = httpx.post(f"{site.v1}/health")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")


def test_a_wrong_path_under_v1_is_json_on_the_real_site(site: Site):
    for accept in ("*/*", "text/html"):
        answer = httpx.get(f"{site.v1}/nothing", headers={"Accept": accept})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
