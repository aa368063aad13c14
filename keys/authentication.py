"""Who calls: from an Authorization header to a `Caller`.

    no header, or none of the form `Bearer <key>`       401 unauthorized
    not the shape of a key, or its checksum is wrong    401 invalid_api_key    no database call
    no such key, revoked, expired, paused               401 invalid_api_key
    its account is suspended or closed, or its user     403 tenant_disabled
    switched off
    used from elsewhere than its networks               403 forbidden, limit "ip"
    too many requests this minute                       429 rate_limited
    used for what is not in its scopes                  403 forbidden, limit "scope"

`ApiKeyAuthentication` serves async views through keys.cache and sync ones from the database. They differ only in how they load the
row: one statement, one decision.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Any, Final, Protocol

from django.db import connection
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication

from accounts.models import Account
from contract import limits
from contract.client_address import WithMeta, client_address
from contract.errors import ApiError
from contract.resolving import on_behalf_of
from keys import cache, last_use, networks, rate_limits, scopes, tokens
from keys.caller import Caller
from wallets import pool

# RFC 6750: the scheme is case-insensitive, the token is a b64token. Of several Authorization headers Django makes one with
# commas in it, which no token holds, so they are refused as malformed.
_BEARER: Final = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")

# In a request's META, where no header can put it
_COUNTED: Final = "beatra.counted"

_ACTIVE: Final = Account.Status.ACTIVE.value

_LOAD: Final = """
    select account.id, case when owner.is_active then account.status else 'suspended' end, wallet.id,
           key.id, key.prefix, key.name, key.allowed_models, key.scopes, key.allowed_networks,
           key.requests_per_minute, account.requests_per_minute, key.expires_at, key.revoked_at, key.paused_at
    from keys_apikey as key
    join accounts_account as account on account.id = key.account_id
    join accounts_user as owner on owner.id = account.user_id
    join wallets_wallet as wallet on wallet.account_id = account.id
    where key.digest = %s
"""


class Asking(WithMeta, scopes.WithPath, Protocol):
    """What authentication reads of a request, Django's or DRF's."""


class ApiKeyAuthentication(BaseAuthentication):
    """DRF's authentication class of /v1: `request.user` and `request.auth` are the `Caller`.

    Both ways in raise ApiError unauthorized, invalid_api_key, tenant_disabled or rate_limited; database errors go through as they come.
    Each request that gets in is counted once (keys/rate_limits.py): no view of /v1 can forget it. One that is refused for the key's
    scopes is counted too, one from elsewhere than its networks is not: who has stolen a key must not use up its owner's minute.
    """

    def authenticate(self, request: Asking) -> tuple[Caller, Caller]:
        """For sync views: always asks the database."""
        token = _token(request)
        with connection.cursor() as cursor:
            cursor.execute(_LOAD, [tokens.digest(token)])
            caller = _admit(_caller(cursor.fetchone()), request)
        rate_limits.take_sync(caller)
        _check_scopes(caller, request)
        return caller, caller

    async def authenticate_async(self, request: Asking) -> Caller:
        """For async views: a key seen in the last seconds costs no database call. A request asked about again is counted once."""
        token = _token(request)
        caller = _admit(await cache.KEYS.get(tokens.digest(token), _load), request)
        on_behalf_of.set(caller.account_id)
        if _COUNTED not in request.META:
            await rate_limits.take(caller)
            request.META[_COUNTED] = True
        _check_scopes(caller, request)
        return caller

    def authenticate_header(self, request: Asking) -> str:
        return "Bearer"


def _token(request: Asking) -> str:
    match = _BEARER.fullmatch(request.META.get("HTTP_AUTHORIZATION", ""))
    if match is None:
        is_bare = tokens.well_formed(request.META.get("HTTP_AUTHORIZATION", "").strip())
        raise ApiError("unauthorized", "'Bearer ' is missing in front of the key." if is_bare else None)
    if not tokens.well_formed(match[1]):
        raise ApiError("invalid_api_key")
    return match[1]


async def _load(digest: str) -> Caller | None:
    async with pool.connection() as conn:
        cursor = await conn.execute(_LOAD, [digest])
        return _caller(await cursor.fetchone())


def _caller(row: tuple[Any, ...] | None) -> Caller | None:
    if row is None:
        return None
    account_id, account_status, wallet_id, key_id, prefix, name, *restrictions = row
    models, for_scopes, from_networks, of_key, of_account, expires_at, revoked_at, paused_at = restrictions
    return Caller(
        account_id,
        account_status,
        wallet_id,
        key_id,
        prefix,
        name,
        models=None if models is None else frozenset(models),
        scopes=None if for_scopes is None else frozenset(for_scopes),
        networks=None if from_networks is None else tuple(map(ip_network, from_networks)),
        requests_per_minute=of_key,
        account_requests_per_minute=of_account,
        expires_at=expires_at,
        revoked_at=revoked_at,
        paused_at=paused_at,
    )


def _admit(caller: Caller | None, request: Asking) -> Caller:
    """The decision, made anew at each use, so that a key expires on time also in the cache."""
    if caller is None or caller.revoked_at is not None or caller.paused_at is not None:
        raise ApiError("invalid_api_key")
    now = timezone.now()
    if caller.expires_at is not None and caller.expires_at <= now:
        raise ApiError("invalid_api_key")
    if caller.account_status != _ACTIVE:
        raise ApiError("tenant_disabled")
    # Also where the rest refuses it: its owner, who waits for a first call, is to see that one came
    last_use.touch(caller.key_id, at=now)
    if caller.networks is not None and not networks.admit(caller.networks, address := client_address(request)):
        seen = f"It was used from {address}" if address else "Where it was used from could not be told"
        raise ApiError(
            "forbidden", f"This key may not be used from there. {seen}, which is not on its list.", details={"limit": limits.Name.IP}
        )
    return caller


def _check_scopes(caller: Caller, request: Asking) -> None:
    if caller.scopes is not None:
        scopes.check(caller.scopes, request)
