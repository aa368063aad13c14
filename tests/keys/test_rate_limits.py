"""Requests per minute, over HTTP: counted to the token, by all web processes together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import openai
import pytest
import redis
from django.conf import settings

from accounts.models import Account
from contract import limits
from keys import issuing, tokens
from keys.models import ApiKey
from tests.contract.wire import connect, error_of, eventually, head, read_answer
from tests.customer import Customer
from tests.factories import ApiKeyFactory
from tests.flows.test_every_endpoint import ENDPOINTS, WITH_A_KEY, Endpoint
from tests.relay import Relay

TOKEN = 60_000_000
SERVER = redis.Redis.from_url(settings.REDIS_URL)


class Standing(NamedTuple):
    """A bucket in Redis: what is owed to it, and since when, as contract/token_bucket.lua has it. `most` is what it holds."""

    debt: int
    at: int
    most: int

    def taken_since(self, before: Standing) -> float:
        """How many tokens were taken after `before`, though others grew back meanwhile."""
        return (self.debt - max(before.debt - (self.at - before.at) * self.most, 0)) / TOKEN


def standing(name: str, most: int) -> Standing:
    debt, _, at = (SERVER.get(f"beatra:requests:{name}") or b"0:0").decode().partition(":")
    return Standing(int(debt), int(at), most)


def of_account(owner: Customer) -> Standing:
    return standing(f"account:{owner.account.pk}", owner.account.requests_per_minute or limits.REQUESTS_PER_MINUTE)


def of_key(key: ApiKey) -> Standing:
    return standing(f"key:{key.pk}", key.requests_per_minute or 0)


def ask(v1: str, token: str) -> httpx.Response:
    return httpx.get(f"{v1}/wallet", headers={"Authorization": f"Bearer {token}"}, timeout=30)


def ask_all(v1s: list[str], token: str, times: int) -> tuple[list[httpx.Response], float]:
    """So many answers of each process, asked all at once, and in how many seconds they came."""

    async def flow() -> tuple[list[httpx.Response], float]:
        async with httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token}"}, timeout=60, limits=httpx.Limits(max_connections=40)
        ) as http:
            began = time.monotonic()
            answers = await asyncio.gather(*(http.get(f"{v1}/wallet") for _ in range(times) for v1 in v1s))
            return answers, time.monotonic() - began

    return asyncio.run(flow())


def assert_exactly(answers: list[httpx.Response], most: int, seconds: float) -> None:
    """As many got through as the bucket holds, and none more than grew back meanwhile: none, unless the machine is very slow."""
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 429}
    assert most <= statuses.count(200) <= most + int(seconds * most / 60)


def assert_refused(answer: httpx.Response, *, whose: str, most: int) -> None:
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["retryable"]) == (429, "rate_limited", True)
    assert error["details"] == {"limit": f"{whose}_requests_per_minute"}
    assert error["message"] == f"This {whose} may send {most} requests per minute."
    assert 1 <= int(answer.headers["retry-after"]) <= -(-60 // most)


def exhaust(v1: str, token: str) -> httpx.Response:
    """Ask until it is refused."""
    for _ in range(1000):
        if (answer := ask(v1, token)).status_code != 200:
            return answer
    raise AssertionError("never refused")


@pytest.fixture(scope="module")
def two_v1s(site: Any) -> Iterator[list[str]]:
    other = site.start_web()
    yield [site.v1, other.v1]
    other.stop()


def test_the_limit_of_an_account_is_exact_across_web_processes(customer, two_v1s):
    owner = customer(requests_per_minute=20)
    answers, seconds = ask_all(two_v1s, owner.token, 40)
    assert_exactly(answers, 20, seconds)
    for answer in answers:
        if answer.status_code == 429:
            assert_refused(answer, whose="account", most=20)


def test_the_limit_of_a_key_is_its_own(customer, two_v1s):
    owner = customer()
    key, other = (ApiKeyFactory(account=owner.account, requests_per_minute=most) for most in (15, None))
    answers, seconds = ask_all(two_v1s, key.token, 30)
    assert_exactly(answers, 15, seconds)
    assert_refused(exhaust(two_v1s[0], key.token), whose="key", most=15)
    assert {ask(v1, other.token).status_code for v1 in two_v1s} == {200}


def test_the_limit_of_an_account_counts_its_keys_together(customer, two_v1s):
    owner = customer(requests_per_minute=5)
    keys = [ApiKeyFactory(account=owner.account, requests_per_minute=most) for most in (None, 1000)]
    assert_refused(exhaust(two_v1s[0], keys[0].token), whose="account", most=5)
    assert_refused(ask(two_v1s[1], keys[1].token), whose="account", most=5)


def test_a_refused_request_takes_no_token_of_either(customer, site):
    owner = customer(requests_per_minute=10)
    key = ApiKeyFactory(account=owner.account, requests_per_minute=2)
    exhaust(site.v1, key.token)
    account, own = of_account(owner), of_key(key)
    assert_refused(ask(site.v1, key.token), whose="key", most=2)
    assert (of_account(owner), of_key(key)) == (account, own)


def test_after_the_time_it_says_the_next_one_gets_through(customer, site):
    owner = customer(requests_per_minute=30)
    for _ in range(2):
        time.sleep(int(exhaust(site.v1, owner.token).headers["retry-after"]))
        assert ask(site.v1, owner.token).status_code == 200


def test_an_account_without_a_figure_has_everybodys(customer, site):
    answers, seconds = ask_all([site.v1], customer().token, limits.REQUESTS_PER_MINUTE + 100)
    assert_exactly(answers, 600, seconds)


# What takes one


@pytest.mark.parametrize("endpoint", WITH_A_KEY, ids=str)
def test_a_request_to_any_endpoint_takes_exactly_one(customer, endpoint: Endpoint):
    owner = customer(requests_per_minute=30)
    path = endpoint.path_for(owner)
    for fields in ({}, {"headers": {"Idempotency-Key": "a"}}, {"headers": {"Idempotency-Key": "a"}}):
        before = of_account(owner)
        assert endpoint.send(owner, path=path, **fields).status_code == endpoint.status
        assert of_account(owner).taken_since(before) == 1
    before = of_account(owner)
    assert endpoint.send(owner, path=f"{path}/").status_code == endpoint.status
    assert of_account(owner).taken_since(before) == 1


def test_a_request_takes_one_of_its_key_too(customer):
    owner = customer(requests_per_minute=30)
    key = ApiKeyFactory(account=owner.account, requests_per_minute=20)
    account, own = of_account(owner), of_key(key)
    assert ask(owner.v1, key.token).status_code == 200
    assert (of_account(owner).taken_since(account), of_key(key).taken_since(own)) == (1, 1)


@pytest.mark.parametrize(
    "sent",
    [{"json": {"model": "auto"}}, {"content": b"{", "headers": {"Content-Type": "application/json"}}, {"content": b"x"}],
    ids=["a bad body", "no JSON", "no type"],
)
def test_a_request_that_is_refused_for_its_body_takes_one(customer, sent: dict[str, Any]):
    owner = customer(requests_per_minute=30)
    before = of_account(owner)
    assert owner.http.post("/chat/completions", **sent).status_code in (400, 415)
    assert of_account(owner).taken_since(before) == 1


def test_a_body_that_comes_slowly_is_counted_once(customer, site):
    """Who sends it is looked up again when it is there."""
    owner = customer(requests_per_minute=5)
    before = of_account(owner)
    with connect(site.web.port) as connection:
        own = ("Content-Type: application/json", f"Authorization: Bearer {owner.token}", "Content-Length: 2")
        connection.sendall(head("POST", "/v1/chat/completions", *own) + b"{")
        assert eventually(lambda: of_account(owner) != before)
        connection.sendall(b"}")
        assert read_answer(connection).status == 400
    assert of_account(owner).taken_since(before) == 1


def test_it_is_refused_before_its_body_is_read(customer, site):
    owner = customer(requests_per_minute=1)
    exhaust(site.v1, owner.token)
    with connect(site.web.port) as connection:
        own = ("Content-Type: application/json", f"Authorization: Bearer {owner.token}", "Content-Length: 1000")
        connection.sendall(head("POST", "/v1/chat/completions", *own))
        assert error_of(read_answer(connection))["details"] == {"limit": "account_requests_per_minute"}


@pytest.mark.parametrize("path", ["wallet", "usage/chatcmpl_none"], ids=["lean", "sync"])
def test_a_request_that_the_keys_scopes_refuse_takes_one_of_each(customer, site, path: str):
    owner = customer(requests_per_minute=30)
    key = ApiKeyFactory(account=owner.account, scopes=["chat"], requests_per_minute=2)

    def refused() -> httpx.Response:
        return httpx.get(f"{site.v1}/{path}", headers={"Authorization": f"Bearer {key.token}"}, timeout=30)

    account, own = of_account(owner), of_key(key)
    assert refused().status_code == 403
    assert (of_account(owner).taken_since(account), of_key(key).taken_since(own)) == (1, 1)
    assert any(refused().status_code == 429 for _ in range(100))


@pytest.mark.parametrize("path", ["wallet", "usage/chatcmpl_none"], ids=["lean", "sync"])
def test_who_uses_a_key_from_elsewhere_takes_none_of_its_owners(customer, site, path: str):
    owner = customer(requests_per_minute=30)
    key = ApiKeyFactory(account=owner.account, allowed_networks=["203.0.113.0/24"], requests_per_minute=2)
    account = of_account(owner)
    for _ in range(4):
        assert httpx.get(f"{site.v1}/{path}", headers={"Authorization": f"Bearer {key.token}"}, timeout=30).status_code == 403
    assert (of_account(owner), of_key(key).debt) == (account, 0)


def test_who_is_not_let_in_takes_none(customer, site):
    owner = customer(requests_per_minute=1)
    revoked, paused = ApiKeyFactory(account=owner.account), ApiKeyFactory(account=owner.account, requests_per_minute=10)
    assert ask(site.v1, owner.token).status_code == 200
    issuing.revoke(revoked, actor=None)
    ApiKey.objects.filter(pk=paused.pk).update(paused_at="2026-01-01T00:00Z")
    account = of_account(owner)
    for token in (revoked.token, paused.token, tokens.new_token(), "sk-1", owner.token[:-1]):
        for endpoint in ENDPOINTS:
            answer = httpx.request(
                endpoint.method, f"{site.v1}{endpoint.path_for_nobody()}", json=endpoint.body, headers={"Authorization": f"Bearer {token}"}
            )
            assert answer.status_code == (200 if endpoint.is_open else 401)
    Account.objects.filter(pk=owner.account.pk).update(status="suspended")
    suspended = ApiKeyFactory(account=owner.account)
    assert ask(site.v1, suspended.token).status_code == 403
    assert of_account(owner) == account
    assert of_key(paused).debt == 0


# OpenAI's SDK


def test_openais_sdk_sees_a_rate_limit_and_waits_as_long_as_it_is_told(customer, site):
    owner = customer(requests_per_minute=5)
    fields: dict[str, Any] = {"model": "MiniMax-M2.7", "messages": [{"role": "user", "content": "Say hi in five words."}]}
    with openai.OpenAI(base_url=site.v1, api_key=owner.token, max_retries=0) as client:
        exhaust(site.v1, owner.token)
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(**fields)
        assert (caught.value.code, caught.value.response.status_code) == ("rate_limited", 429)
        assert 1 <= int(caught.value.response.headers["retry-after"]) <= 12
        answer = client.with_options(max_retries=1).chat.completions.create(**fields)
        assert answer.choices[0].message.content


# Redis away


@pytest.fixture
def relay() -> Iterator[Relay]:
    url = urlsplit(settings.REDIS_URL)
    relay = Relay(url.hostname or "", url.port or 0)
    yield relay
    relay.cut()


@pytest.mark.parametrize("gone", [Relay.cut, Relay.mute], ids=["refusing", "silent"])
def test_with_redis_away_calls_work_and_each_process_limits_them(customer, site, relay: Relay, gone: Callable[[Relay], None]):
    url = urlsplit(settings.REDIS_URL)
    through = url._replace(netloc=f"{url.netloc.rpartition('@')[0]}@127.0.0.1:{relay.port}").geturl()
    web = site.start_web({"REDIS_URL": through})
    owner, caller = customer(requests_per_minute=20), customer()
    assert ask(web.v1, owner.token).status_code == 200
    caller.v1 = web.v1

    gone(relay)
    ask(web.v1, caller.token)  # the one that finds it out
    assert eventually(lambda: "counted per process" in web.log)
    assert caller.chat().status_code == 200
    assert caller.http.get(f"/usage/{caller.record.pk}").status_code == 200
    other = customer(requests_per_minute=20)
    answers, seconds = ask_all([web.v1], other.token, 60)
    assert_exactly(answers, 20, seconds)
    assert_refused(exhaust(web.v1, other.token), whose="account", most=20)
    assert ask(site.v1, other.token).status_code == 200, "another process counts its own"

    if gone is Relay.cut:
        relay.restore()
    else:
        relay.unmute()
    late = customer(requests_per_minute=300)

    def is_shared() -> bool:
        before = of_account(late)
        assert ask(web.v1, late.token).status_code == 200
        return of_account(late) != before

    assert eventually(is_shared, seconds=30)
    web.stop()
