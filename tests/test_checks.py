"""What `manage.py check` says of a site that is not set up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def check(tmp_path: Path, *arguments: str, **environment: str) -> str:
    """The findings of `manage.py check` where nothing but `environment` is given."""
    bare = {"PATH": os.environ["PATH"], "VAR": str(tmp_path), **environment}
    command = [sys.executable, "manage.py", "check", *arguments]
    return subprocess.run(command, cwd=ROOT, env=bare, capture_output=True, text=True, timeout=60).stderr


def test_a_bare_site_is_told_everything_that_is_missing(tmp_path: Path):
    findings = check(tmp_path)
    for id in ("beatra.E001", "beatra.E002", "beatra.E003", "beatra.E004"):
        assert id in findings
    assert "Traceback" not in findings


def test_a_sandbox_without_an_address_is_an_error(tmp_path: Path):
    assert "beatra.E005" in check(tmp_path, SANDBOX="1")


def test_production_is_warned_of_a_sandbox_plain_http_and_any_host(tmp_path: Path):
    findings = check(tmp_path, "--deploy", SANDBOX="1", ALLOWED_HOSTS="*", SECRET_KEY="x", KEY_PEPPER="x")
    for id in ("beatra.W001", "beatra.W002", "beatra.W003"):
        assert id in findings


def test_stripe_without_its_webhooks_secret_is_an_error(tmp_path: Path):
    assert "beatra.E006" in check(tmp_path, STRIPE_SECRET_KEY="sk")
    assert "beatra.E006" not in check(tmp_path, STRIPE_SECRET_KEY="sk", STRIPE_WEBHOOK_SECRET="whsec")


def test_production_is_warned_that_nobody_can_buy_credits(tmp_path: Path):
    production = {"SECRET_KEY": "x", "KEY_PEPPER": "x"}
    assert "beatra.W004" in check(tmp_path, "--deploy", **production)
    assert "beatra.W004" not in check(tmp_path, "--deploy", **production, STRIPE_SECRET_KEY="sk", STRIPE_WEBHOOK_SECRET="whsec")


def test_a_sandbox_checkout_without_its_webhooks_secret_is_an_error(tmp_path: Path):
    assert "beatra.E007" in check(tmp_path, SANDBOX_CHECKOUT_KEY="key")
    assert "beatra.E007" not in check(tmp_path, SANDBOX_CHECKOUT_KEY="key", SANDBOX_WEBHOOK_SECRET="secret")


@pytest.mark.parametrize(("seconds", "is_found"), [("1799", True), ("1800", False), ("86400", False), ("86401", True)])
def test_a_checkout_that_waits_longer_or_shorter_than_it_may_is_an_error(tmp_path: Path, seconds: str, is_found: bool):
    assert ("beatra.E008" in check(tmp_path, TOPUP_CHECKOUT_SECONDS=seconds)) == is_found


def test_an_amount_that_is_offered_and_refused_is_an_error(tmp_path: Path):
    findings = check(tmp_path, TOPUP_AMOUNTS_USD="4.99,5,20,20.005,21", TOPUP_MIN_USD="5", TOPUP_MAX_USD="20")
    assert "beatra.E009" in findings
    assert "4.99, 20.005, 21" in findings
    assert "beatra.E009" not in check(tmp_path)
