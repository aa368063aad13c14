"""Who is let in, by both doors: the async one of the lean path, and DRF's."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from contract.errors import ApiError
from contract.resolving import on_behalf_of
from keys import cache, tokens
from keys.authentication import ApiKeyAuthentication
from keys.caller import Caller
from tests.factories import AccountFactory, ApiKeyFactory, WalletFactory
from tests.keys.doors import open_pool, request_with

Door = Callable[[str | None], Caller]


def by_the_async_door(header: str | None) -> Caller:
    async def ask() -> Caller:
        async with open_pool():
            return await ApiKeyAuthentication().authenticate_async(request_with(header))

    return asyncio.run(ask())


def by_drf(header: str | None) -> Caller:
    user, auth = ApiKeyAuthentication().authenticate(request_with(header))
    assert user is auth
    return auth


@pytest.fixture(params=[by_the_async_door, by_drf], ids=["async", "drf"])
def enter(request, committed) -> Iterator[Door]:
    cache.KEYS.clear()
    yield request.param
    cache.KEYS.clear()


def refused(enter: Door, header: str | None) -> tuple[str, int]:
    with pytest.raises(ApiError) as caught:
        enter(header)
    return caught.value.code, caught.value.status


def test_a_good_key_names_its_account_wallet_and_key(enter: Door):
    account = AccountFactory()
    wallet = WalletFactory(account=account)
    key = ApiKeyFactory(account=account, name="worker", allowed_models=["auto", "gpt-4o-mini"])
    caller = enter(f"Bearer {key.token}")
    assert (caller.account_id, caller.account_status, caller.wallet_id) == (account.pk, "active", wallet.pk)
    assert (caller.key_id, caller.key_prefix, caller.key_name) == (key.pk, key.token[:12], "worker")
    assert caller.models == {"auto", "gpt-4o-mini"}
    assert caller.is_authenticated


def test_a_key_without_a_model_list_may_call_every_model(enter: Door):
    assert enter(f"Bearer {ApiKeyFactory().token}").models is None


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_case_insensitive(enter: Door, scheme: str):
    assert enter(f"{scheme} {ApiKeyFactory().token}").account_status == "active"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "{token}",
        "Token {token}",
        "Bearer {token} {token}",
        "Bearer {token},Bearer {token}",
        "Bearer \x00",
        "Bearer ключ",
    ],
)
def test_no_or_a_malformed_header_is_unauthorized(enter: Door, header: str | None):
    token = ApiKeyFactory().token
    assert refused(enter, header and header.replace("{token}", token)) == ("unauthorized", 401)


def test_a_bare_key_is_told_what_is_missing_and_not_repeated(enter: Door):
    token = ApiKeyFactory().token
    with pytest.raises(ApiError) as caught:
        enter(token)
    assert (caught.value.code, caught.value.message) == ("unauthorized", "'Bearer ' is missing in front of the key.")


@pytest.mark.parametrize("token", ["sk-1234", "sk-bt-", "sk-bt-" + "A" * 38, "x" * 5000])
def test_a_malformed_key_is_invalid(enter: Door, token: str):
    assert refused(enter, f"Bearer {token}") == ("invalid_api_key", 401)


def test_an_unknown_key_is_invalid(enter: Door):
    assert refused(enter, f"Bearer {tokens.new_token()}") == ("invalid_api_key", 401)


def test_a_revoked_key_is_invalid(enter: Door):
    key = ApiKeyFactory(revoked_at=timezone.now())
    assert refused(enter, f"Bearer {key.token}") == ("invalid_api_key", 401)


def test_an_expired_key_is_invalid(enter: Door):
    key = ApiKeyFactory(expires_at=timezone.now() - timedelta(seconds=1))
    assert refused(enter, f"Bearer {key.token}") == ("invalid_api_key", 401)


def test_a_key_that_expires_later_is_good(enter: Door):
    key = ApiKeyFactory(expires_at=timezone.now() + timedelta(hours=1))
    assert enter(f"Bearer {key.token}").key_id == key.pk


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_a_disabled_account_is_refused_by_that_name(enter: Door, status: str):
    key = ApiKeyFactory(account=AccountFactory(status=status))
    assert refused(enter, f"Bearer {key.token}") == ("tenant_disabled", 403)


def test_a_revoked_key_tells_nothing_about_its_account(enter: Door):
    key = ApiKeyFactory(account=AccountFactory(status="suspended"), revoked_at=timezone.now())
    assert refused(enter, f"Bearer {key.token}") == ("invalid_api_key", 401)


@pytest.mark.parametrize("header", ["Bearer sk-bt-" + "A" * 38, "Bearer nonsense", None])
def test_what_is_no_key_reaches_no_database(header: str | None):
    """The pool is not open and the database is locked for this test: a query would be an error of another kind."""
    with pytest.raises(ApiError):
        asyncio.run(ApiKeyAuthentication().authenticate_async(request_with(header)))
    with pytest.raises(ApiError):
        by_drf(header)


def test_a_key_expires_on_time_in_the_cache_too(committed):
    key = ApiKeyFactory(expires_at=timezone.now() + timedelta(seconds=1))

    async def use_until_refused() -> int:
        uses = 0
        async with open_pool():
            while True:
                try:
                    await ApiKeyAuthentication().authenticate_async(request_with(f"Bearer {key.token}"))
                except ApiError as error:
                    assert error.code == "invalid_api_key"
                    assert timezone.now() >= key.expires_at
                    return uses
                uses += 1
                await asyncio.sleep(0.02)

    assert asyncio.run(asyncio.wait_for(use_until_refused(), cache.TTL_SECONDS - 1)) > 0


def test_a_known_key_costs_no_database_call(committed):
    key = ApiKeyFactory()

    async def twice() -> tuple[Caller, Caller]:
        async with open_pool():
            first = await ApiKeyAuthentication().authenticate_async(request_with(f"Bearer {key.token}"))
        return first, await ApiKeyAuthentication().authenticate_async(request_with(f"Bearer {key.token}"))

    first, second = asyncio.run(twice())
    assert first == second


class Whoami(APIView):
    authentication_classes = [ApiKeyAuthentication]

    def get(self, request):
        return Response({"account_id": request.auth.account_id, "key_id": request.user.key_id})


@pytest.mark.django_db
def test_a_drf_view_knows_the_caller():
    key = ApiKeyFactory()
    response = Whoami.as_view()(APIRequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {key.token}"))
    assert response.data == {"account_id": key.account_id, "key_id": key.pk}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("header", "code"),
    [(None, b'"unauthorized"'), (f"Bearer {tokens.new_token()}", b'"invalid_api_key"')],
    ids=["none", "unknown"],
)
def test_a_drf_view_answers_strangers_with_the_envelope(header: str | None, code: bytes):
    request = APIRequestFactory().get("/", **({} if header is None else {"HTTP_AUTHORIZATION": header}))
    response = Whoami.as_view()(request)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert code in response.content


@pytest.mark.django_db
def test_drf_asks_the_database_once(django_assert_num_queries):
    key = ApiKeyFactory()
    with django_assert_num_queries(1):
        by_drf(f"Bearer {key.token}")


def test_names_are_resolved_on_the_callers_share(committed):
    """contract/resolving.py counts by account, whichever of its keys calls."""
    account = AccountFactory()
    WalletFactory(account=account)
    key = ApiKeyFactory(account=account)

    async def ask() -> object:
        async with open_pool():
            await ApiKeyAuthentication().authenticate_async(request_with(f"Bearer {key.token}"))
            return on_behalf_of.get()

    cache.KEYS.clear()
    assert asyncio.run(ask()) == account.pk
