"""Which scope each path of /v1 needs."""

import re
from collections.abc import Iterator

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from catalog.models import Capability
from contract.errors import ApiError
from keys import scopes
from tests.keys.doors import request_with

METHODS = ("GET", "HEAD", "POST", "DELETE")


def paths_of_v1(resolver: URLResolver | None = None, before: str = "/") -> Iterator[tuple[str, URLPattern]]:
    for pattern in (resolver or get_resolver()).url_patterns:
        path = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from paths_of_v1(pattern, path)
        elif path.startswith("/v1/"):
            yield re.sub(r"<[^>]+>", "some-id", path), pattern


def of_keys() -> list[tuple[str, str]]:
    """Each method of each path that asks who calls."""
    found = []
    for path, pattern in paths_of_v1():
        view = pattern.callback.view_class
        if view.authentication_classes:
            found += [(method, path) for method in METHODS if hasattr(view, method.lower())]
    return found


def test_the_walk_finds_the_endpoints():
    assert {("POST", "/v1/chat/completions"), ("GET", "/v1/wallet"), ("GET", "/v1/usage/some-id")} <= set(of_keys())


@pytest.mark.parametrize(("method", "path"), of_keys())
def test_every_endpoint_has_its_scopes(method: str, path: str):
    """A new one without a line in the table would be closed to every key with scopes."""
    assert scopes.needed(method, path)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/v1/chat/completions", ["chat"]),
        ("POST", "/v1/chat/completions/quote", ["chat"]),
        ("POST", "/v1/music/text-to-music", ["music"]),
        ("GET", "/v1/tasks", ["music", "read"]),
        ("GET", "/v1/tasks/tsk_1", ["music", "read"]),
        ("POST", "/v1/tasks/tsk_1/cancel", ["music"]),
        ("POST", "/v1/uploads", ["uploads"]),
        ("DELETE", "/v1/uploads/art_1", ["uploads"]),
        ("GET", "/v1/wallet", ["read"]),
        ("HEAD", "/v1/usage/chatcmpl_1", ["read"]),
        ("GET", "/v1/models", ["chat", "music", "uploads", "read"]),
        ("GET", "/v1/catalog/models", ["chat", "music", "uploads", "read"]),
        ("POST", "/v1/wallet", []),
        ("GET", "/v1/walletx", []),
        ("GET", "/v1/new", []),
    ],
)
def test_the_scopes_of_a_path(method: str, path: str, expected: list[str]):
    assert list(scopes.needed(method, path)) == expected


def test_a_key_without_the_scope_is_told_what_it_lacks():
    request = request_with(None)
    scopes.check(frozenset({"read"}), request)
    with pytest.raises(ApiError) as caught:
        scopes.check(frozenset({"chat", "music"}), request)
    error = caught.value
    assert (error.status, error.code, error.details) == (403, "forbidden", {"limit": "scope"})
    assert "lacks the scope 'read'; it has 'chat', 'music'." in error.message


@pytest.mark.parametrize("has", [frozenset(), frozenset({"gone"})])
def test_no_scope_that_we_know_opens_nothing(has: frozenset[str]):
    with pytest.raises(ApiError, match="forbidden"):
        scopes.check(has, request_with(None))


def test_a_kind_of_model_has_the_scope_of_its_name():
    """The catalog shows a key the models of its scopes by that."""
    assert set(Capability.values) <= set(scopes.IDS)
