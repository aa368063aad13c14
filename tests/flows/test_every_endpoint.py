"""What holds for every endpoint of /v1 alike, by a table over them, over real HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.urls import URLPattern, get_resolver

from accounts.models import Account
from contract.ids import new_id
from keys import forgetting, issuing, tokens
from keys.models import ApiKey
from tests.browsing import signed_in
from tests.contract.wire import Answer, ask, error_of, eventually, head
from tests.customer import Customer
from tests.factories import ApiKeyFactory
from tests.tasks_app import media_files
from tests.tasks_app.asking import data_uri
from tests.tasks_app.states import running

MUSIC = {"model": "suno-5.5", "prompt": "A calm piano piece", "instrumental": True}
BY_REFERENCE = {**MUSIC, "reference_audio": {"type": "data_uri", "data": data_uri()}}
CHAT = {"model": "MiniMax-M2.7", "messages": [{"role": "user", "content": "Say hi in five words."}]}
MP3 = media_files.mp3()


@dataclass(frozen=True)
class Endpoint:
    """`allowed` are the methods it takes, as Allow has them, `status` is that of its answer. `{usage}` in the path stands for the id of a
    call of one's own, `{task}` for that of a task of one's own, which runs, `{upload}` for that of a file of one's own, which is sent where
    `is_upload`."""

    method: str
    path: str
    allowed: str = "GET, HEAD, OPTIONS"
    body: dict[str, Any] | None = None
    is_open: bool = False
    status: int = 200
    is_upload: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def send(self, owner: Customer, *, path: str = "", method: str = "", **fields: Any) -> httpx.Response:
        """This endpoint's good request, or the same with something else about it."""
        sent = {"files": {"file": ("song.mp3", MP3)}} if self.is_upload else {"json": self.body}
        return owner.http.request(method or self.method, path or self.path_for(owner), **sent, **fields)

    def path_for(self, owner: Customer) -> str:
        if "{usage}" in self.path:
            return self.path.format(usage=owner.chat().json()["id"])
        if "{upload}" in self.path:
            return self.path.format(upload=UPLOAD.send(owner).json()["artifact_id"])
        return self.path.format(task=running(owner.wallet).pk) if "{task}" in self.path else self.path

    def path_for_nobody(self) -> str:
        return self.path.format(usage=new_id("chatcmpl"), task=new_id("tsk"), upload=new_id("art"))


UPLOAD = Endpoint("POST", "/uploads", "POST, OPTIONS", is_upload=True)
ENDPOINTS = (
    Endpoint("GET", "/health", is_open=True),
    Endpoint("GET", "/models"),
    Endpoint("GET", "/models/MiniMax-M2.7"),
    Endpoint("GET", "/catalog/models"),
    Endpoint("GET", "/catalog/capabilities"),
    Endpoint("GET", "/wallet"),
    Endpoint("GET", "/usage/{usage}"),
    Endpoint("GET", "/tasks"),
    Endpoint("GET", "/tasks/{task}"),
    UPLOAD,
    Endpoint("GET", "/uploads/{upload}", "GET, DELETE, HEAD, OPTIONS"),
    Endpoint("POST", "/tasks/{task}/cancel", "POST, OPTIONS", status=202),
    Endpoint("POST", "/music/text-to-music", "POST, OPTIONS", MUSIC, status=202),
    Endpoint("POST", "/music/reference-audio-to-music", "POST, OPTIONS", BY_REFERENCE, status=202),
    Endpoint("POST", "/chat/completions", "POST, OPTIONS", CHAT),
    Endpoint("POST", "/chat/completions/quote", "POST, OPTIONS", CHAT),
)
WITH_A_KEY = tuple(endpoint for endpoint in ENDPOINTS if not endpoint.is_open)
READ = tuple(endpoint for endpoint in ENDPOINTS if endpoint.method == "GET")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE")

every_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
every_endpoint_with_a_key = pytest.mark.parametrize("endpoint", WITH_A_KEY, ids=str)


def assert_common(answer: httpx.Response) -> None:
    """What every answer under /v1 has."""
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-expose-headers"] == "X-Request-Id, Retry-After, Idempotent-Replayed, x-should-retry"
    assert answer.headers["x-request-id"]
    assert "set-cookie" not in answer.headers
    assert "cookie" not in answer.headers.get("vary", "").lower()


def code_of(answer: httpx.Response | Answer) -> str:
    if isinstance(answer, httpx.Response):
        assert_common(answer)
    code: str = error_of(answer)["code"]
    return code


def test_the_table_has_every_path_of_the_api(django_db_setup):
    """A new endpoint belongs into it."""

    def routes(resolver: Any, before: str = "") -> list[str]:
        found = []
        for pattern in resolver.url_patterns:
            path = before + str(pattern.pattern)
            found += [path] if isinstance(pattern, URLPattern) else routes(pattern, path)
        return found

    def is_in(route: str, path: str) -> bool:
        names, parts = route.removeprefix("v1").split("/"), path.split("/")
        return len(names) == len(parts) and all(name.startswith("<") or name == part for name, part in zip(names, parts, strict=True))

    api = [route for route in routes(get_resolver()) if route.startswith("v1/")]
    assert len(api) == len(ENDPOINTS)
    for route in api:
        assert any(is_in(route, endpoint.path) for endpoint in ENDPOINTS), route


@every_endpoint
def test_a_good_request_is_json_with_the_common_headers(customer, endpoint: Endpoint):
    answer = endpoint.send(customer(), headers={"X-Request-Id": "trace/42", "Origin": "https://app.test"})
    assert answer.status_code == endpoint.status
    assert_common(answer)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"] == "trace/42"


@every_endpoint
def test_a_trailing_slash_is_the_same_path(customer, endpoint: Endpoint):
    owner = customer()
    path = endpoint.path_for(owner)
    answers = [endpoint.send(owner, path=asked) for asked in (path, f"{path}/", f"{path}/?a=b")]
    assert [answer.status_code for answer in answers] == [endpoint.status] * 3
    assert [set(answer.json()) for answer in answers] == [set(answers[0].json())] * 3
    assert code_of(endpoint.send(owner, path=f"{path}//")) == "not_found"


@pytest.mark.parametrize("endpoint", READ, ids=str)
def test_head_is_get_without_a_body(customer, endpoint: Endpoint):
    owner = customer()
    path = endpoint.path_for(owner)
    got, headed = (endpoint.send(owner, path=path, method=method) for method in ("GET", "HEAD"))
    assert (headed.status_code, headed.content) == (200, b"")
    assert_common(headed)
    assert headed.headers["content-type"] == got.headers["content-type"]
    assert headed.headers["content-length"] == got.headers["content-length"]


@every_endpoint
def test_other_methods_are_refused_by_name(customer, endpoint: Endpoint):
    owner = customer()
    path = endpoint.path_for(owner)
    for method in METHODS:
        if method not in endpoint.allowed:
            answer = owner.http.request(method, path)
            assert (answer.status_code, code_of(answer), answer.headers["allow"]) == (405, "method_not_allowed", endpoint.allowed), method
    if endpoint.method == "POST":
        headed = owner.http.head(path)
        assert (headed.status_code, headed.headers["allow"]) == (405, endpoint.allowed)


@every_endpoint
def test_a_page_elsewhere_may_ask_first_without_a_key(site, endpoint: Endpoint):
    asked = {
        "Origin": "https://app.test",
        "Access-Control-Request-Method": endpoint.method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    for path in (endpoint.path, f"{endpoint.path}/"):
        answer = httpx.options(f"{site.v1}{path}", headers=asked)
        assert (answer.status_code, answer.content) == (204, b"")
        assert_common(answer)
        assert answer.headers["access-control-allow-methods"] == "GET, POST, DELETE"
        assert answer.headers["access-control-allow-headers"] == "authorization,content-type"


# Who asks


@every_endpoint_with_a_key
def test_a_stranger_learns_nothing(site, endpoint: Endpoint):
    path = endpoint.path_for_nobody()

    def answer_to(header: str | None) -> httpx.Response:
        headers = {} if header is None else {"Authorization": header}
        return httpx.request(endpoint.method, f"{site.v1}{path}", json=endpoint.body, headers=headers)

    for header in (None, "", "Basic dTpw", "Bearer", "Bearer a b"):
        assert code_of(answer_to(header)) == "unauthorized"
    for token in ("sk-1", tokens.new_token()):
        refused = answer_to(f"Bearer {token}")
        assert (refused.status_code, code_of(refused), refused.headers["www-authenticate"]) == (401, "invalid_api_key", "Bearer")
    assert answer_to(f"Bearer {tokens.new_token()}").headers["x-should-retry"] == "false"


def test_health_asks_nobody_who_he_is(site):
    for header in (None, "Basic dTpw", "Bearer sk-1"):
        headers = {} if header is None else {"Authorization": header}
        assert httpx.get(f"{site.v1}/health", headers=headers).json() == {"status": "ok"}


def test_cookies_are_not_read(site, customer):
    """The session of somebody signed in opens no endpoint, and a broken cookie closes none."""
    owner = customer()
    session = signed_in(owner.account.user).cookies[settings.SESSION_COOKIE_NAME].value
    name = f"session{site.web.port}"
    assert owner.account.user.email in httpx.get(f"{site.url}/", headers={"Cookie": f"{name}={session}"}).text
    for endpoint in WITH_A_KEY:
        path = endpoint.path_for(owner)
        bare = httpx.request(endpoint.method, f"{site.v1}{path}", json=endpoint.body, headers={"Cookie": f"{name}={session}"})
        assert code_of(bare) == "unauthorized"
        assert endpoint.send(owner, path=path, headers={"Cookie": f'{name}="\\777; csrftoken=x; ;='}).status_code == endpoint.status


def test_a_revoked_key_opens_nothing(site, customer):
    owner = customer()
    paths = [(endpoint, endpoint.path_for(owner)) for endpoint in WITH_A_KEY]
    issuing.revoke(owner.key, actor=None)
    for endpoint, path in paths:
        assert eventually(lambda e=endpoint, p=path: code_of(e.send(owner, path=p)) == "invalid_api_key")


def test_a_suspended_account_is_told_so(site, customer):
    owner = customer()
    paths = [(endpoint, endpoint.path_for(owner)) for endpoint in WITH_A_KEY]
    Account.objects.filter(pk=owner.account.pk).update(status="suspended")
    forgetting.publish_account(owner.account.pk)
    for endpoint, path in paths:
        assert eventually(
            lambda e=endpoint, p=path: (answer := e.send(owner, path=p)).status_code == 403 and code_of(answer) == "tenant_disabled"
        )


def test_another_account_sees_nothing_of_the_first(customer):
    owner, stranger = customer(balance="117"), customer()
    id = owner.chat().json()["id"]
    assert code_of(stranger.http.get(f"/usage/{id}")) == "not_found"
    assert code_of(stranger.http.get(f"/tasks/{running(owner.wallet).pk}")) == "not_found"
    assert stranger.http.get("/tasks").json()["data"] == []
    assert code_of(stranger.http.get(f"/uploads/{UPLOAD.send(owner).json()['artifact_id']}")) == "not_found"
    assert stranger.http.get("/wallet").json()["balance"] == "1000.0000"
    quoted = stranger.http.post("/chat/completions/quote", json=CHAT).json()
    assert quoted["available_credits"] == "1000.0000"


def test_a_key_with_a_list_of_models_uses_no_other(customer):
    owner = customer()
    ApiKey.objects.filter(pk=owner.key.pk).update(allowed_models=["qwen-max"])
    assert "MiniMax" not in "".join(owner.http.get(path).text for path in ("/models", "/catalog/models", "/catalog/capabilities"))
    assert code_of(owner.http.get("/models/MiniMax-M2.7")) == "not_found"
    for path in ("/chat/completions", "/chat/completions/quote"):
        assert code_of(owner.http.post(path, json=CHAT)) == "unsupported_model"
        assert owner.http.post(path, json={**CHAT, "model": "auto"}).json()["model"] == "qwen-max"


@pytest.mark.parametrize(
    ("restriction", "limit"), [({"allowed_networks": ["203.0.113.7/32"]}, "ip"), ({"scopes": []}, "scope")], ids=["ip", "scope"]
)
def test_a_key_that_is_not_for_this_is_told_so(customer, restriction: dict[str, Any], limit: str):
    owner = customer()
    paths = [(endpoint, endpoint.path_for(owner)) for endpoint in WITH_A_KEY]
    key = ApiKeyFactory(account=owner.account, **restriction)
    owner.http.headers["Authorization"] = f"Bearer {key.token}"
    for endpoint, path in paths:
        answer = endpoint.send(owner, path=path)
        assert (answer.status_code, code_of(answer)) == (403, "forbidden")
        assert error_of(answer)["details"] == {"limit": limit}


# What is asked for

IDS = {
    "unknown": "no-such-thing",
    "empty": "",
    "unicode": "%F0%9F%8E%B5",
    "a NUL": "a%00b",
    "no UTF-8": "%FF%FE",
    "dots": "..",
    "a path": "a%2Fb",
    "deeper": "a/b/c",
    "a query": "a%3Fb=c",
    "a quote": "%27%20or%201=1--",
    "a line break": "a%0d%0aSet-Cookie:%20x=1",
    "very long": "a" * 30_000,
}


@pytest.mark.parametrize("id", IDS.values(), ids=IDS)
@pytest.mark.parametrize("parent", ["/models", "/usage", "/tasks", "/catalog/models", "/chat/completions", "/music/text-to-music"])
def test_a_bad_id_is_refused_in_good_order(site, customer, parent: str, id: str):
    if id == "" and parent != "/usage":  # a trailing slash
        return
    answer = ask(site.web.port, head("GET", f"/v1{parent}/{id}", f"Authorization: Bearer {customer().token}"))
    expected = (400, "invalid_request") if id in ("a%00b", "%FF%FE") else (404, "not_found")
    assert (answer.status, code_of(answer)) == expected
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "set-cookie" not in answer.headers


def test_an_id_is_not_read_in_another_case(customer):
    owner = customer()
    id = owner.chat().json()["id"]
    assert code_of(owner.http.get(f"/usage/{id.lower()}")) == "not_found"
    assert code_of(owner.http.get(f"/tasks/{running(owner.wallet).pk.lower()}")) == "not_found"
    assert code_of(owner.http.get("/models/minimax-m2.7")) == "not_found"


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/v1/responses", "POST /v1/chat/completions"),
        ("/v1/responses/", "POST /v1/chat/completions"),
        ("/v1/completions", "POST /v1/chat/completions"),
        ("/v1/embeddings", "POST /v1/chat/completions"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/chat/completions", "/v1/chat/completions"),
        ("/chat/completions/quote", "/v1/chat/completions/quote"),
        ("/models", "/v1/models"),
        ("/models/auto", "/v1/models/auto"),
        ("/catalog/models", "/v1/catalog/models"),
        ("/catalog/capabilities", "/v1/catalog/capabilities"),
        ("/wallet", "/v1/wallet"),
        ("/usage/chatcmpl_1", "/v1/usage/chatcmpl_1"),
        ("/tasks/tsk_1/cancel", "/v1/tasks/tsk_1/cancel"),
        ("/music/text-to-music", "/v1/music/text-to-music"),
        ("/responses", "POST /v1/chat/completions"),
        ("/api/v1/wallet", "/v1/wallet"),
        ("/openai/v1/chat/completions", "/v1/chat/completions"),
    ],
)
def test_a_wrong_path_is_told_the_right_one(site, customer, path: str, right: str):
    owner = customer()
    for method in ("GET", "POST"):
        answer = httpx.request(method, f"{site.url}{path}", json=CHAT if method == "POST" else None, headers=owner.headers)
        error = error_of(answer)
        assert (answer.status_code, error["code"]) == (404, "not_found")
        assert f" {right}." in error["message"], method


def test_a_page_of_that_name_is_there_for_whoever_brings_no_key(site):
    for headers in ({}, {"Accept": "text/html"}, {"Authorization": "Basic dTpw"}):
        answer = httpx.get(f"{site.url}/usage/", headers=headers)
        assert (answer.status_code, answer.headers["location"]) == (302, "/accounts/login/?next=/usage/")


def test_a_folder_of_the_api_says_what_is_in_it(customer):
    owner = customer()
    for path, right in (
        ("/usage", "GET /v1/usage/{id}"),
        ("/catalog", "GET /v1/catalog/models"),
        ("/chat", "POST /v1/chat/completions"),
        ("/music", "POST /v1/music/text-to-music"),
    ):
        assert right in error_of(owner.http.get(path))["message"]
