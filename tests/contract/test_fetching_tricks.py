"""What callers try in order to have our own network fetched from, or a worker kept for ever."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from aiohttp import web

from contract import fetching, limits
from contract.fetching import INTERNET, FetchError, Network, check, fetch_into, is_public
from tests.contract.https_server import Handler, Talk, served, talking

MIB = limits.MIB

THIS_MACHINE = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "0.0.0.0",
    "0",
    "localhost",
    "localhost.",
    "LocalHost",
    "１２７.0.0.1",
    "127。0。0。1",
    "①②⑦.0.0.1",
    "ｌｏｃａｌｈｏｓｔ",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[::1%25lo]",
    "127.0.0.1%00.example",
]
OTHER_MACHINES = ["10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "[fd00::1]", "[fe80::1]", "[fe80::1%25eth0]"]
NO_HTTPS = [
    "http://pictures.example/",
    "ftp://pictures.example/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "data:audio/mpeg;base64,AAAA",
    "//pictures.example/",
    "pictures.example/",
    " https://pictures.example/",
    "",
]
NO_ADDRESS = [
    "https://",
    "https:///pictures.example/",
    "https://pictures.example:99999/",
    "https://pictures.example:80:443/",
    "https://[::1/",
    "https://pictures.example\\@127.0.0.1/",
    "https://pictures.example/\t",
    "https://pictures.example/\r\nHost: 127.0.0.1",
    "https://pictures.example\x00.example/",
    "https://pictures .example/",
]


class Trap:
    """Ports of this machine, of both its families, that remember who came."""

    def __init__(self, exits: ExitStack) -> None:
        self._listening = exits.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port = self._listening.getsockname()[1]
        self._all = [self._listening]
        if socket.has_ipv6:
            six = socket.socket(socket.AF_INET6)
            six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            six.bind(("::1", self.port))
            six.listen()
            self._all.append(exits.enter_context(six))

    def caught(self) -> bool:
        for listening in self._all:
            listening.setblocking(False)
            try:
                listening.accept()[0].close()
            except BlockingIOError:
                continue
            return True
        return False


@pytest.fixture
def trap() -> Iterator[Trap]:
    with ExitStack() as exits:
        yield Trap(exits)


class Ours(str):
    """The address of the server of a test, which is let through though it is one of this machine."""

    __slots__ = ()


def fetched(
    handler: Handler | None = None, talk: Talk | None = None, *, path: str = "/a.mp3", most_bytes: int = MIB, seconds: float = 20
) -> bytes:
    """What comes of a file from a server of this machine, as a worker's thread gets it. Every other name is asked of the system, and
    every other address is judged as in earnest."""

    async def resolve(host: str, port: int) -> list[str]:
        return [Ours("127.0.0.1")] if host in ("pictures.example", "moved.example") else await INTERNET.resolve(host, port)

    async def run() -> bytes:
        async with served(handler) if handler else talking(talk) as (origin, network):  # type: ignore[arg-type]
            network = Network(resolve=resolve, allows=lambda address: isinstance(address, Ours) or is_public(address), tls=network.tls)
            file = io.BytesIO()
            await asyncio.to_thread(fetch_into, file, f"{origin}{path}", most_bytes=most_bytes, seconds=seconds, network=network)
            return file.getvalue()

    return asyncio.run(run())


def why(handler: Handler | None = None, talk: Talk | None = None, **options: object) -> str:
    with pytest.raises(FetchError) as caught:
        fetched(handler, talk, **options)  # type: ignore[arg-type]
    return str(caught.value)


def redirect(location: str) -> Handler:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": location})

    return handle


def says(*parts: bytes, again: bytes = b"", pause: float = 0.02) -> Talk:
    """A server that sends `parts`, then `again` for ever."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
        while again:
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(pause)

    return talk


OK = b"HTTP/1.1 200 OK\r\n"


# Where it leads


@pytest.mark.parametrize("host", [*THIS_MACHINE, *OTHER_MACHINES])
def test_what_is_not_the_internet_is_neither_looked_at_nor_fetched_nor_followed(trap: Trap, host: str):
    url = f"https://{host}:{trap.port}/"
    words = set()
    with pytest.raises(FetchError) as caught:
        check(url)
    words.add(str(caught.value))
    with pytest.raises(FetchError) as caught:
        fetch_into(io.BytesIO(), url, most_bytes=MIB, seconds=10)
    words.add(str(caught.value))
    words.add(why(redirect(url)))
    assert words <= {"must stand for a public address", "must be a valid https address", "could not be fetched"}
    assert not trap.caught()


@pytest.mark.parametrize("url", NO_HTTPS)
def test_only_https_is_taken(url: str):
    with pytest.raises(FetchError, match="must be an https address"):
        check(url)


@pytest.mark.parametrize("url", NO_ADDRESS)
def test_what_two_readers_could_read_differently_is_no_address(url: str):
    for attempt in (lambda: check(url), lambda: fetch_into(io.BytesIO(), url, most_bytes=MIB, seconds=10)):
        with pytest.raises(FetchError, match="must be a valid https address"):
            attempt()


@pytest.mark.parametrize(
    "url",
    ["https://user@pictures.example/", "https://u:p@pictures.example/", "https://pictures.example:443@127.0.0.1/", "https://@127.0.0.1/"],
)
def test_a_user_name_is_not_taken(url: str):
    with pytest.raises(FetchError, match="must not carry a user name or password"):
        check(url)


def test_a_long_address_is_not_taken():
    with pytest.raises(FetchError, match="must have at most 8192 characters"):
        check("https://pictures.example/" + "a" * 8192)


@pytest.mark.parametrize(
    "host", ["a" * 64 + ".example", ".".join(["a" * 60] * 6), "nobody.invalid", "-.invalid", "xn--a.invalid", "a..invalid"]
)
def test_a_name_that_stands_for_nothing_is_told_as_one_of_ours(host: str):
    with pytest.raises(FetchError, match=r"^must (stand for a public|be a valid https) address$"):
        check(f"https://{host}/")


def test_one_private_address_among_several_spoils_a_name():
    async def both(host: str, port: int) -> list[str]:
        return ["93.184.215.14", "2606:4700:4700::1111", "::1"]

    with pytest.raises(FetchError, match="must stand for a public address"):
        check("https://both.example/", network=Network(resolve=both))


def test_a_public_name_passes_and_nothing_is_connected_to(trap: Trap):
    async def public(host: str, port: int) -> list[str]:
        return [Ours("127.0.0.1")]

    check(f"HTTPS://public.example:{trap.port}/a?b#c", network=Network(resolve=public, allows=lambda address: isinstance(address, Ours)))
    assert not trap.caught()


def test_a_redirect_to_http_is_not_followed():
    assert why(redirect("http://pictures.example/")) == "must be an https address on every redirect"


def test_a_redirect_that_goes_in_circles_ends():
    assert why(redirect("/again")) == "redirects more than 3 times"


def test_names_are_resolved_on_the_share_of_the_account():
    shares = []

    async def resolve(host: str, port: int) -> list[str]:
        shares.append(fetching.on_behalf_of.get())
        return []

    network = Network(resolve=resolve)
    with pytest.raises(FetchError):
        check("https://name.example/", whose=7, network=network)
    with pytest.raises(FetchError):
        fetch_into(io.BytesIO(), "https://name.example/", most_bytes=1, seconds=5, whose=8, network=network)
    assert shares == [7, 8]


# What comes


def test_a_body_of_the_largest_size_comes():
    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"x" * MIB)

    assert fetched(handle) == b"x" * MIB


def test_a_byte_more_than_100_mib_is_too_much():
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x" * MIB)
        await response.write(b"x")
        return response

    class Counted(io.RawIOBase):
        size = largest = 0

        def write(self, piece: bytes) -> int:  # type: ignore[override]
            self.size += len(piece)
            self.largest = max(self.largest, len(piece))
            return len(piece)

    counted = Counted()

    async def run() -> None:
        async with served(handle) as (origin, network):
            await asyncio.to_thread(fetch_into, counted, f"{origin}/", most_bytes=limits.UPLOAD, seconds=300, network=network)

    with pytest.raises(FetchError, match="is larger than 100 MiB"):
        asyncio.run(run())
    assert counted.size <= limits.UPLOAD
    assert counted.largest <= MIB


@pytest.mark.parametrize(
    ("talk", "words"),
    [
        (says(b"HTTP/1.1 200 O", again=b"K", pause=0.2), "could not be fetched"),
        (says(OK, again=b"X-More: x\r\n", pause=0.2), "could not be fetched"),
        (says(again=b"HTTP/1.1 100 Continue\r\n\r\n"), "could not be fetched"),
        (says(OK, b"\r\n", again=b"x"), "did not arrive in time"),
        (says(OK, b"Transfer-Encoding: chunked\r\n\r\n", again=b"1\r\nx\r\n"), "did not arrive in time"),
    ],
    ids=["a status that does not end", "a header at a time", "continue, continue", "a byte at a time", "a chunk at a time"],
)
def test_a_slow_drip_ends_with_the_time(talk: Talk, words: str):
    assert why(talk=talk, seconds=3) == words


@pytest.mark.parametrize(
    ("talk", "words"),
    [
        (says(OK, b"Content-Length: 9\r\n\r\n", b"x"), "could not be fetched"),
        (says(OK, b"Content-Length: -1\r\n\r\nx"), "could not be fetched"),
        (says(OK, b"Content-Length: 99999999999999999999\r\n\r\nx"), "could not be fetched"),
        (says(OK, b"Content-Length: 9999999999\r\n\r\nx"), "is larger than 1 MiB"),
        (says(OK, b"\r\n", again=b"x" * 65536, pause=0), "is larger than 1 MiB"),
        (says(OK, b"X-Long: ", again=b"x" * 65536, pause=0), "could not be fetched"),
        (says(OK, again=b"X: y\r\n" * 1000, pause=0), "could not be fetched"),
        (says(OK, b"Content-Encoding: gzip\r\n\r\nx"), "comes compressed, which was not asked for"),
        (says(OK, b"Content-Encoding: identity, br\r\n\r\nx"), "comes compressed, which was not asked for"),
        (says(b"nonsense\r\n\r\n"), "could not be fetched"),
        (says(), "could not be fetched"),
    ],
    ids=[
        "less than it said",
        "a negative length",
        "a length beyond numbers",
        "a length beyond the limit",
        "without end",
        "a header without end",
        "headers without end",
        "gzip",
        "several encodings",
        "no HTTP",
        "nothing",
    ],
)
def test_a_server_that_is_no_decent_one_is_left(talk: Talk, words: str):
    assert why(talk=talk) == words


def test_a_port_that_says_nothing_is_told_as_one_that_is_shut():
    """Who could tell them apart would have a scanner of other people's networks."""

    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_server(("127.0.0.1", 0)) as shut:
        ports = [server.getsockname()[1] for server in (silent, shut)]
        shut.close()
        words = []
        for port in ports:
            with pytest.raises(FetchError) as caught:
                fetch_into(
                    io.BytesIO(),
                    f"https://a.example:{port}/",
                    most_bytes=1,
                    seconds=0.5,
                    network=Network(resolve=here, allows=lambda address: True),
                )
            words.append(str(caught.value))
    assert words == ["could not be fetched"] * 2


def test_a_full_disk_is_no_fault_of_the_address():
    class Full(io.RawIOBase):
        def write(self, piece: bytes) -> int:  # type: ignore[override]
            raise OSError("No space left on device")

    async def run() -> None:
        async with served(picture) as (origin, network):
            await asyncio.to_thread(fetch_into, Full(), f"{origin}/", most_bytes=MIB, seconds=10, network=network)

    with pytest.raises(OSError, match="No space left"):
        asyncio.run(run())


async def picture(request: web.BaseRequest) -> web.Response:
    return web.Response(body=b"a picture")
