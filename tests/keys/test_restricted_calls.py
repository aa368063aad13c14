"""Restricted keys over real HTTP: on the lean path of chat and on sync views, and in more than one process."""

import uuid
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from django.utils import timezone

from keys import editing, pausing, rotating
from keys.models import ApiKey
from keys.restrictions import Restrictions
from tests.contract.wire import error_of, eventually
from tests.customer import Customer
from tests.gate import Gate, assert_nothing_held, calling

CHAT = {"model": "MiniMax-M2.7", "messages": [{"role": "user", "content": "Say hi in five words."}]}
HERE = "127.0.0.1/32"


def on_chat(owner: Customer, v1: str | None = None, **headers: str) -> httpx.Response:
    """A call on the lean path that is free: a quote."""
    return httpx.post(f"{v1 or owner.v1}/chat/completions/quote", json=CHAT, headers={**owner.headers, **headers}, timeout=30)


def on_a_sync_view(owner: Customer, v1: str | None = None, **headers: str) -> httpx.Response:
    """A receipt, which there is not."""
    return httpx.get(f"{v1 or owner.v1}/usage/chatcmpl_none", headers={**owner.headers, **headers}, timeout=30)


EVERY_DOOR = pytest.mark.parametrize("ask", [on_chat, on_a_sync_view], ids=["lean", "sync"])
Ask = Callable[..., httpx.Response]


def restricted(customer: Callable[..., Customer], **columns) -> Customer:
    """A customer whose key is so restricted before anybody has seen it."""
    owner = customer()
    ApiKey.objects.filter(pk=owner.key.pk).update(**columns)
    return owner


def let_in(response: httpx.Response) -> bool:
    return response.status_code in (200, 404)


def limit_of(response: httpx.Response) -> str:
    error = error_of(response)
    assert (response.status_code, error["code"], error["retryable"]) == (403, "forbidden", False)
    return error["details"]["limit"]


# Scopes


def test_a_scope_opens_its_paths_and_no_other(customer):
    for scope, opens in (("chat", [on_chat]), ("read", [on_a_sync_view]), ("uploads", [])):
        owner = restricted(customer, scopes=[scope])
        for ask in (on_chat, on_a_sync_view):
            answer = ask(owner)
            assert let_in(answer) if ask in opens else limit_of(answer) == "scope"
        assert owner.http.get("/models").status_code == 200


def test_a_key_without_the_scope_makes_no_call(customer):
    owner = restricted(customer, scopes=["read"])
    answer = owner.chat()
    assert limit_of(answer) == "scope"
    assert "lacks the scope 'chat'" in error_of(answer)["message"]
    assert owner.records == []


def test_what_there_is_to_call_is_what_the_scopes_allow(customer):
    chat, music = (restricted(customer, scopes=[scope]) for scope in ("chat", "music"))

    def models_of_chat(owner: Customer) -> list[str]:
        return {one["id"]: one["models"] for one in owner.http.get("/catalog/capabilities").json()["data"]}["chat"]

    assert "MiniMax-M2.7" in chat.http.get("/models").text
    assert "MiniMax-M2.7" in models_of_chat(chat)
    assert music.http.get("/models").json()["data"] == []
    assert models_of_chat(music) == []
    for owner, kinds in ((chat, {"chat"}), (music, {"text_to_music", "reference_audio_to_music"})):
        listed = owner.http.get("/catalog/models").json()["data"]
        assert all(set(model["capabilities"]) <= kinds for model in listed)


# Networks


@EVERY_DOOR
def test_a_key_is_good_from_its_networks_alone(customer, ask: Ask):
    assert let_in(ask(restricted(customer, allowed_networks=["203.0.113.0/24", "127.0.0.0/8"])))
    refused = ask(restricted(customer, allowed_networks=["203.0.113.0/24", "2001:db8::/32"]))
    assert limit_of(refused) == "ip"
    assert "It was used from 127.0.0.1," in error_of(refused)["message"]


@EVERY_DOOR
def test_without_proxies_nobody_can_claim_another_address(customer, ask: Ask):
    owner = restricted(customer, allowed_networks=["203.0.113.7/32"])
    for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X_Forwarded_For", "CF-Connecting-IP"):
        assert limit_of(ask(owner, **{header: "203.0.113.7"})) == "ip"
    assert let_in(ask(restricted(customer, allowed_networks=[HERE]), **{"X-Forwarded-For": "203.0.113.7"}))


@pytest.fixture(scope="module")
def behind_a_proxy(site) -> str:
    return site.start_web({"TRUSTED_PROXY_COUNT": "1"}).v1


@EVERY_DOOR
def test_behind_a_proxy_the_address_is_what_the_proxy_saw(customer, behind_a_proxy: str, ask: Ask):
    owner = restricted(customer, allowed_networks=["203.0.113.7/32", "2001:db8::/32"])
    for good in ("203.0.113.7", "198.51.100.1, 203.0.113.7", "::ffff:203.0.113.7", "2001:db8::9", "[2001:db8::9]:55"):
        assert let_in(ask(owner, behind_a_proxy, **{"X-Forwarded-For": good}))
    spoofed = ask(owner, behind_a_proxy, **{"X-Forwarded-For": "203.0.113.7, 198.51.100.1"})
    assert limit_of(spoofed) == "ip"
    assert "198.51.100.1" in error_of(spoofed)["message"]
    assert limit_of(ask(owner, behind_a_proxy, **{"X-Forwarded-For": "198.51.100.1", "X_Forwarded_For": "203.0.113.7"})) == "ip"


@EVERY_DOOR
@pytest.mark.parametrize("header", [{}, {"X-Forwarded-For": "garbage <b>"}, {"X-Forwarded-For": "fe80::1%eth0"}, {"X-Forwarded-For": ","}])
def test_an_address_that_can_not_be_told_is_refused(customer, behind_a_proxy: str, ask: Ask, header: dict[str, str]):
    refused = ask(restricted(customer, allowed_networks=["0.0.0.0/0", "::/0"]), behind_a_proxy, **header)
    assert limit_of(refused) == "ip"
    assert "could not be told" in error_of(refused)["message"]
    assert "garbage" not in refused.text
    assert let_in(ask(customer(), behind_a_proxy, **header))


# Models


def test_a_model_that_is_not_on_the_list_is_none_for_this_key(customer):
    owner = restricted(customer, allowed_models=["qwen-max"])
    answer = owner.chat(model="MiniMax-M2.7")
    assert (answer.status_code, error_of(answer)["code"]) == (400, "unsupported_model")
    assert owner.chat(model="auto").json()["model"] == "qwen-max"
    assert {model["id"] for model in owner.http.get("/models").json()["data"]} == {"auto", "qwen-max"}


# Changes


@EVERY_DOOR
def test_a_change_reaches_every_web_process(site, customer, behind_a_proxy: str, ask: Ask):
    owner = customer()
    processes = (owner.v1, behind_a_proxy)

    def answers() -> list[httpx.Response]:
        return [ask(owner, v1, **{"X-Forwarded-For": "127.0.0.1"}) for v1 in processes]

    def change(**restrictions) -> None:
        assert editing.edit(owner.key, name="worker", restrictions=Restrictions(**restrictions), actor=None)

    assert all(map(let_in, answers()))
    for restrictions, limit in (({"scopes": ["uploads"]}, "scope"), ({"allowed_networks": ["203.0.113.7/32"]}, "ip")):
        change(**restrictions)
        assert eventually(lambda limit=limit: all(a.status_code == 403 and limit_of(a) == limit for a in answers()))
        change()
        assert eventually(lambda: all(map(let_in, answers())))
    assert pausing.pause(owner.key, actor=None)
    assert eventually(lambda: [error_of(a)["code"] for a in answers() if a.status_code == 401] == ["invalid_api_key"] * 2)
    assert pausing.resume(owner.key, actor=None)
    assert eventually(lambda: all(map(let_in, answers())))
    change(expires_at=timezone.now() - timedelta(seconds=1))
    assert eventually(lambda: [error_of(a)["code"] for a in answers() if a.status_code == 401] == ["invalid_api_key"] * 2)


def test_a_call_in_flight_runs_on_when_its_key_is_paused(customer, gate: Gate):
    owner = customer()
    with calling(owner, gate.text) as outcome:
        gate.wait()
        assert pausing.pause(owner.key, actor=None)
        assert eventually(lambda: owner.http.get("/wallet").status_code == 401)
        gate.open()
    assert outcome[0].status_code == 200
    assert owner.record.status == "charged"
    assert_nothing_held(owner)


@EVERY_DOOR
def test_both_keys_work_until_the_overlap_is_over(customer, ask: Ask):
    owner = customer()
    assert let_in(ask(owner))
    issued = rotating.rotate(owner.key, overlap=timedelta(seconds=3), actor=None, submission=uuid.uuid4())
    new = {"Authorization": f"Bearer {issued.token}"}
    assert let_in(ask(owner, **new))
    ends_at = ApiKey.objects.get(pk=owner.key.pk).expires_at
    answer = ask(owner)
    assert let_in(answer) or timezone.now() >= ends_at
    assert eventually(lambda: ask(owner).status_code == 401)
    assert timezone.now() >= ends_at
    assert let_in(ask(owner, **new))
