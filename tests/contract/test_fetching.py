"""Fetching a caller's URL: what comes back, and what is never connected to."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web

from contract import fetching
from contract.fetching import FetchError, Network, fetch, is_public
from tests.contract.https_server import Handler, served

MIB = 1024 * 1024


def fetched(handler: Handler, path: str = "/a.png", *, most_bytes: int = MIB, seconds: float = 10.0) -> bytes:
    async def run() -> bytes:
        async with served(handler) as (origin, network):
            return await fetch(f"{origin}{path}", most_bytes=most_bytes, seconds=seconds, network=network)

    return asyncio.run(run())


def why(handler: Handler, path: str = "/a.png", **limits: float) -> str:
    with pytest.raises(FetchError) as caught:
        fetched(handler, path, **limits)  # type: ignore[arg-type]  # the two limits by name
    return str(caught.value)


async def picture(request: web.BaseRequest) -> web.Response:
    return web.Response(body=b"a picture")


def hops(count: int, *, to: str = "/{}") -> Handler:
    """A server that redirects from /`count` to /0, a picture."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        left = int(request.path.strip("/"))
        return web.Response(status=302, headers={"Location": to.format(left - 1)}) if left else web.Response(body=b"a picture")

    return handle


def test_the_body_comes_back():
    assert fetched(picture) == b"a picture"


def test_nothing_of_ours_is_sent_along():
    seen: list[web.BaseRequest] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        seen.append(request)
        return web.Response(body=b"x", headers={"Set-Cookie": "a=b"})

    fetched(handle)
    (request,) = seen
    assert set(request.headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}
    assert request.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("count", [1, 3])
def test_redirects_are_followed(count: int):
    assert fetched(hops(count), f"/{count}") == b"a picture"


def test_not_more_than_three_of_them():
    assert why(hops(4), "/4") == "redirects more than 3 times"


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://moved.example/{}", "must be an https address on every redirect"),
        ("//10.0.0.1/{}", "must stand for a public address"),
        ("https://inside.example/{}", "must stand for a public address"),
        ("https://u:p@moved.example/{}", "must not carry a user name or password"),
        ("file:///etc/passwd?{}", "must be an https address on every redirect"),
        ("https://[::1]/{}", "must stand for a public address"),
        ("https://[/{}", "could not be fetched"),
    ],
)
def test_a_redirect_is_held_to_the_same_rules(location: str, words: str):
    assert why(hops(1, to=location), "/1") == words


def test_a_body_over_the_limit_is_cut_off_whether_it_says_so_or_not():
    async def announced(request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"x" * (MIB + 1))

    async def unannounced(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for _ in range(64):
            await response.write(b"x" * 65536)
            await asyncio.sleep(0)
        return response

    assert why(announced) == why(unannounced) == "is larger than 1 MiB"


def test_a_compressed_body_is_not_unpacked():
    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"x", headers={"Content-Encoding": "gzip"})

    assert why(handle) == "comes compressed, which was not asked for"


def test_a_server_that_takes_its_time_is_not_waited_for():
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(60)
        return response

    assert why(handle, seconds=0.3) == "did not arrive in time"


@pytest.mark.parametrize("status", [204, 304, 403, 404, 500])
def test_only_a_200_is_an_answer(status: int):
    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status)

    assert why(handle) == f"could not be fetched: its server answered {status}"


def test_a_name_of_ours_is_told_as_one_that_is_nobodys():
    async def nobody(host: str, port: int) -> list[str]:
        raise socket.gaierror("no such name: internal-resolver.example")

    async def silent(host: str, port: int) -> list[str]:
        raise TimeoutError

    async def ours(host: str, port: int) -> list[str]:
        return ["10.0.0.1"]

    for resolve in (nobody, silent, ours):
        with pytest.raises(FetchError) as caught:
            asyncio.run(fetch("https://name.example/", most_bytes=1, seconds=5, network=Network(resolve=resolve)))
        assert str(caught.value) == "must stand for a public address"


def test_what_goes_wrong_with_the_connection_names_no_address():
    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async def certificate() -> None:
        async with served(picture) as (origin, network):
            await fetch(origin, most_bytes=1, seconds=5, network=Network(resolve=network.resolve, allows=network.allows))

    for run in (
        fetch("https://refused.example:9/", most_bytes=1, seconds=5, network=Network(resolve=here, allows=lambda address: True)),
        certificate(),
    ):
        with pytest.raises(FetchError) as caught:
            asyncio.run(run)
        assert str(caught.value) == "could not be fetched"


def test_a_name_is_resolved_once_and_the_address_that_was_checked_is_connected_to():
    """A name that stands for a public address when asked first, and for one of ours afterwards, gains nothing."""

    async def run() -> tuple[bytes, int]:
        async with served(picture) as (origin, network):
            answers = [["127.0.0.1"], ["10.0.0.1"]]
            asked = 0

            async def resolve(host: str, port: int) -> list[str]:
                nonlocal asked
                asked += 1
                return answers.pop(0)

            rebound = Network(resolve=resolve, allows=network.allows, tls=network.tls)
            return await fetch(origin, most_bytes=MIB, seconds=10, network=rebound), asked

    assert asyncio.run(run()) == (b"a picture", 1)


def test_one_address_that_is_not_public_spoils_a_name():
    async def both(host: str, port: int) -> list[str]:
        return ["93.184.215.14", "127.0.0.1"]

    with pytest.raises(FetchError, match="must stand for a public address"):
        asyncio.run(fetch("https://both.example/", most_bytes=1, seconds=5, network=Network(resolve=both)))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"]
)
def test_however_this_machine_is_written_it_is_not_connected_to(host: str):
    connected: list[str] = []

    async def run() -> None:
        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connected.append(host)
            writer.close()

        server = await asyncio.start_server(listen, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            await fetch(f"https://{host}:{port}/", most_bytes=1, seconds=5)
        finally:
            server.close()

    with pytest.raises(FetchError):
        asyncio.run(run())
    assert connected == []


@pytest.mark.parametrize("address", ["93.184.215.14", "1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001:80e::200e"])
def test_an_address_of_the_internet_is_public(address: str):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.8",
        "192.0.0.10",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:93.184.215.14",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:a00:1::1",
        "3fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "localhost",
        "",
    ],
)
def test_any_other_address_is_not(address: str):
    assert not is_public(address)


def test_the_systems_resolver_gives_every_address_once():
    found = asyncio.run(fetching.resolve("127.0.0.1", 443))
    assert found == ["127.0.0.1"]
