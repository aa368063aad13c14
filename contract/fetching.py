"""Fetching a caller's URL without being led into our own network (contract.md, section 9).

https only; the name is resolved once, every address it stands for must be public, and the connection goes to one of the addresses
that were checked, so that a name which changes its mind in between gains nothing. The same holds for each of at most three redirects.
No cookies, no proxy, no credentials, no compression: what is counted is what arrives.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import BinaryIO

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from contract.https_url import checked_https_url
from contract.resolving import Resolver, on_behalf_of

MAX_REDIRECTS = 3
_CHUNK_BYTES = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"User-Agent": "beatra", "Accept": "*/*", "Accept-Encoding": "identity"}

# Of IPv6 only this block is the public internet; inside it, what stands for another network's address or for none:
# IETF's own (Teredo, benchmarks, ORCHID), documentation twice, 6to4. NAT64, mapped and local addresses lie outside of it.
_PUBLIC_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(IPv6Network(block) for block in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
# Beside what Python does not call global: IETF's own, the relays of 6to4, and the host's side of every machine in Azure
_NOT_PUBLIC_V4 = tuple(IPv4Network(block) for block in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"))


class FetchError(Exception):
    """The URL was not fetched. Its text ends a sentence about the URL and may be shown to the caller: it tells no refused connection from
    one that nobody answers, and no name of ours from one that is nobody's."""


def is_public(address: str) -> bool:
    """Whether `address`, an IPv4 or IPv6 address as text, is one of the public internet."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        return ip.scope_id is None and ip in _PUBLIC_V6 and not any(ip in block for block in _NOT_PUBLIC_V6)
    return _is_public_v4(ip)


def _is_public_v4(ip: IPv4Address) -> bool:
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not any(ip in block for block in _NOT_PUBLIC_V4)


resolve = Resolver()
"""Every address a name stands for, by the system's resolver. Raises OSError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What a fetch goes through. Only a test has a reason for one of its own."""

    resolve: Callable[[str, int], Awaitable[list[str]]] = resolve
    allows: Callable[[str], bool] = is_public
    tls: ssl.SSLContext | bool = True


INTERNET = Network()


async def fetch(url: str, *, most_bytes: int, seconds: float, network: Network = INTERNET) -> bytes:
    """The body at `url`, at most `most_bytes` of it, within `seconds` in all. Raises FetchError."""
    body = bytearray()
    async with aclosing(_pieces(url, most_bytes=most_bytes, seconds=seconds, network=network)) as pieces:
        async for piece in pieces:
            body += piece
    return bytes(body)


def fetch_into(file: BinaryIO, url: str, *, most_bytes: int, seconds: float, whose: Hashable = None, network: Network = INTERNET) -> None:
    """`fetch`, for a worker's thread: the body is written to `file` as it comes. Names are resolved on the share of the account `whose`.

    Raises FetchError, and what `file` raises.
    """

    async def write() -> None:
        on_behalf_of.set(whose)
        async with aclosing(_pieces(url, most_bytes=most_bytes, seconds=seconds, network=network)) as pieces:
            async for piece in pieces:
                file.write(piece)

    asyncio.run(write())


def check(url: str, *, whose: Hashable = None, network: Network = INTERNET) -> None:
    """Whether a fetch of `url` would set out, for a thread. As `fetch_into`, but it connects to nothing. Raises FetchError."""

    async def ask() -> None:
        on_behalf_of.set(whose)
        await _addresses(_target(url), network)

    asyncio.run(ask())


async def _pieces(url: str, *, most_bytes: int, seconds: float, network: Network) -> AsyncGenerator[bytes, None]:
    """The body as it comes. Whoever takes it waits for nothing else meanwhile: the time-out cancels the task, wherever that waits."""
    answered = False
    try:
        async with asyncio.timeout(seconds), _answer(_target(url), network) as response:
            answered = True
            async for piece in _body(response, most_bytes=most_bytes):
                yield piece
    except TimeoutError:
        # Which ports take connections and then say nothing is not for us to tell
        raise FetchError("did not arrive in time" if answered else "could not be fetched") from None
    except (aiohttp.ClientError, OSError, ValueError):
        # `from None`: their texts hold addresses
        raise FetchError("could not be fetched") from None


def _target(url: str) -> URL:
    try:
        checked = checked_https_url(url)
    except ValueError as error:
        raise FetchError(str(error)) from None
    try:
        return URL(checked)
    except ValueError:
        raise FetchError("must be a valid https address") from None


@asynccontextmanager
async def _answer(target: URL, network: Network) -> AsyncGenerator[aiohttp.ClientResponse, None]:
    """What the server says to which `target` leads in the end."""
    for _ in range(MAX_REDIRECTS + 1):
        resolver = _Checked(await _addresses(target, network))
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True, ssl=network.tls)
        async with (
            aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
            ) as session,
            session.get(target, headers=_HEADERS, allow_redirects=False) as response,
        ):
            if response.status not in _REDIRECTS:
                yield response
                return
            if (location := response.headers.get("Location")) is None:
                raise FetchError("redirects to nowhere")
            target = target.join(URL(location))
    raise FetchError(f"redirects more than {MAX_REDIRECTS} times")


async def _addresses(target: URL, network: Network) -> list[str]:
    """Where `target` may be connected to. Raises FetchError if that is not wholly the public internet."""
    if target.scheme != "https" or not target.raw_host or target.port is None:
        raise FetchError("must be an https address on every redirect")
    if target.user is not None or target.password is not None:
        raise FetchError("must not carry a user name or password")
    try:
        addresses = await network.resolve(target.raw_host, target.port)
    except (OSError, ValueError):  # no such name, or none that can be one
        addresses = []  # told as a name of ours is, or it could be found out which names we have
    if not addresses or not all(network.allows(address) for address in addresses):
        raise FetchError("must stand for a public address")
    return addresses


class _Checked(AbstractResolver):
    """Gives the connector the addresses that were checked, and nothing else."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in self._addresses
        ]

    async def close(self) -> None:
        pass


async def _body(response: aiohttp.ClientResponse, *, most_bytes: int) -> AsyncGenerator[bytes, None]:
    if response.status != 200:
        raise FetchError(f"could not be fetched: its server answered {response.status}")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise FetchError("comes compressed, which was not asked for")
    too_large = FetchError(f"is larger than {most_bytes // (1024 * 1024)} MiB")
    if (response.content_length or 0) > most_bytes:
        raise too_large
    received = 0
    async for piece in response.content.iter_chunked(_CHUNK_BYTES):
        received += len(piece)
        if received > most_bytes:
            raise too_large
        yield piece
