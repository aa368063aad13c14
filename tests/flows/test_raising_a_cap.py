"""A cap that is set on the pages refuses a call, says where to raise it, and raised there lets the call go through on every process."""

import re
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from tests.customer import Customer
from tests.factories import PASSWORD

KEY = {"name": "worker", "expires": "never", "scope_choice": "all", "model_choice": "all"}


def browsing(owner: Customer, url: str) -> httpx.Client:
    """A browser of the site in which the owner has signed in."""
    browser = httpx.Client(base_url=url, follow_redirects=True, timeout=60)
    send(browser, "/accounts/login/", login=owner.account.user.email, password=PASSWORD)
    return browser


def send(browser: httpx.Client, path: str, **data: str) -> str:
    """Fill in a form; what the page after it says."""
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', browser.get(path).text))
    page = browser.post(path, data={**hidden, **data})
    assert page.status_code == 200, page.text
    return page.text


def chat(v1: str, token: str) -> httpx.Response:
    body: dict[str, Any] = {"model": "MiniMax-M2.7", "max_tokens": 20, "messages": [{"role": "user", "content": "Say hi in five words."}]}
    return httpx.post(f"{v1}/chat/completions", json=body, headers={"Authorization": f"Bearer {token}"}, timeout=60)


def test_a_call_over_the_cap_goes_through_once_it_is_raised(site, customer: Callable[..., Customer]):
    owner, other = customer(), site.start_web()
    with closing(browsing(owner, site.url)) as browser:
        (token,) = set(re.findall(r"sk-bt-[0-9A-Za-z]{38}", send(browser, "/keys/new/", **KEY, cap_week="0.0001")))
        key = owner.account.api_keys.get(name="worker")
        for web in (site, other):
            refused = chat(web.v1, token)
            error = refused.json()["error"]
            assert (refused.status_code, error["code"]) == (402, "spend_limit_reached")
            resets_at = datetime.fromisoformat(error["details"].pop("resets_at"))
            assert error["details"] == {"limit_credits": "0.0001", "window": "week"}
            assert (resets_at.isoweekday(), resets_at.time().isoformat(), resets_at.utcoffset()) == (1, "00:00:00", timedelta(0))
            assert error["message"].endswith(f"Its owner can raise it at {web.url}/keys/{key.pk}/.")
        assert chat(site.v1, owner.token).status_code == 200

        assert "The changes are saved." in send(browser, f"/keys/{key.pk}/edit/", **KEY, cap_week="50")
        answer = chat(other.v1, token)
        assert answer.status_code == 200, answer.text
        spent = Decimal(answer.json()["usage"]["credits"])
        assert spent > 0
        shown = browser.get(f"/keys/{key.pk}/").text
        assert f"{spent:f} of 50.0000 credits this week" in shown

        send(browser, f"/keys/{key.pk}/edit/", **KEY, cap_week=f"{spent:f}")
        assert "Used up" in browser.get(f"/keys/{key.pk}/").text
        assert chat(other.v1, token).json()["error"]["code"] == "spend_limit_reached"
    other.stop()
