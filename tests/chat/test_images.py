"""Images in messages: what is taken, what it costs, and how those come in that the provider does not fetch itself."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from chat import images
from contract.errors import ApiError
from contract.fetching import Network
from tests.chat.pictures import GIF, JPEG, PNG, WEBP, data_uri
from tests.chat.priced_model import priced_model
from tests.chat.received import received
from tests.chat.upstreams import route
from tests.contract.https_server import Handler, served

MODEL = "gpt-4o-mini"


def part(url: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **fields}}


def asked(owner: Any, *parts: dict[str, Any], model: str = MODEL) -> Any:
    content = [{"type": "text", "text": "What is it?"}, *parts]
    return owner.http.post("/chat/completions", json={"model": model, "messages": [{"role": "user", "content": content}]})


# What is taken


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (data_uri(PNG), data_uri(PNG)),
        (data_uri(JPEG, "jpeg"), data_uri(JPEG, "jpeg")),
        (data_uri(JPEG, "jpg"), data_uri(JPEG, "jpeg")),
        (data_uri(GIF, "gif"), data_uri(GIF, "gif")),
        (data_uri(WEBP, "webp"), data_uri(WEBP, "webp")),
        (data_uri(WEBP, "PNG"), data_uri(WEBP, "webp")),
        ("https://pictures.example/a.png?size=1#x", "https://pictures.example/a.png?size=1#x"),
        ("HTTPS://pictures.example:8443/ä.png", "https://pictures.example:8443/ä.png"),
    ],
)
def test_an_image_is_sent_on_under_the_type_that_its_bytes_have(customer, sandbox: str, given: str, sent: str):
    """The sandbox speaks the native dialect of a provider that fetches images itself."""
    assert received_image(customer(), sandbox, part(given)) == part(sent)


def received_image(owner: Any, sandbox: str, image: dict[str, Any]) -> Any:
    earlier = [{"role": "user", "content": [image]}]
    return received(owner, sandbox, model=MODEL, messages=earlier)["messages"][0]["content"][0]


@pytest.mark.parametrize("detail", ["low", "high", "auto"])
def test_the_detail_is_sent_on(customer, sandbox: str, detail: str):
    owner = customer()
    assert received_image(owner, sandbox, part(data_uri(PNG), detail=detail, x=1)) == part(data_uri(PNG), detail=detail)
    assert received_image(owner, sandbox, part(data_uri(PNG), detail=None)) == part(data_uri(PNG))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.png",
        "http://pictures.example/a.png",
        "ftp://pictures.example/a.png",
        "file:///etc/passwd",
        "https://",
        "https:///a.png",
        "https://pictures.example:99999/a.png",
        "https://[::1/a.png",
        "https://user:secret@pictures.example/a.png",
        "https://pictures.example/a b.png",
        "https://pictures.example\\@inside.example/",
        "https://pictures.example/" + "a" * 8192,
        "data:image/png,abc",
        "data:image/svg+xml;base64,PHN2Zy8+",
        "data:image/bmp;base64,Qk0=",
        "data:text/html;base64,PHA+",
        "data:image/png;base64,",
        "data:image/png;base64,not base64!",
        "data:image/png;base64,iVBORw0KGgo",
        "data:image/png;base64,iVBO\nRw0KGgo=",
        "data:image/png;base64,iVBORw0KGgo=AAAA",
        data_uri(PNG.ljust(300_000)) + "=",
        data_uri(PNG.ljust(300_000))[:-1] + "!",
        "data:image/png;base64,äöü=",
        data_uri(b"<svg/>"),
        data_uri(b"%PDF-1.7"),
        5,
        None,
        {},
    ],
)
def test_what_is_no_image_is_refused_by_its_place(customer, url: Any):
    owner = customer()
    response = asked(owner, part(data_uri(PNG)), part(url))
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, "invalid_request", "/messages/0/content/2/image_url/url")
    assert "secret" not in response.text
    assert (owner.wallet.balance, owner.wallet.held, owner.records) == (1000, 0, [])


def test_an_image_has_at_most_eight_mebibytes(customer):
    owner = customer()
    for size in (8 * 1024 * 1024, 8 * 1024 * 1024 - 1, 3 * 65_536, 3 * 65_536 + 1):
        assert asked(owner, part(data_uri(PNG.ljust(size, b"\0")))).status_code == 200
    error = asked(owner, part(data_uri(PNG.ljust(8 * 1024 * 1024 + 3, b"\0")))).json()["error"]
    assert (error["param"], "8 MiB" in error["message"]) == ("/messages/0/content/1/image_url/url", True)


def test_there_are_at_most_twenty(customer):
    owner = customer()
    assert asked(owner, *[part(data_uri(PNG))] * 20, model="claude-sonnet-5-5").status_code == 200
    error = asked(owner, *[part(data_uri(PNG))] * 21, model="claude-sonnet-5-5").json()["error"]
    assert (error["code"], error["param"]) == ("invalid_request", "/messages")


def test_a_model_without_eyes_refuses_them_and_auto_finds_one_with(customer):
    owner = customer()
    error = asked(owner, part(data_uri(PNG)), model="MiniMax-M2.7").json()["error"]
    assert (error["code"], error["details"]["unsupported_fields"]) == ("unsupported_option", ["image_url"])
    assert asked(owner, part(data_uri(PNG)), model="auto").json()["model"] == MODEL


def test_each_is_held_as_the_models_tokens_per_image(site, customer):
    """However many bytes it has: a digit of base64 is no word."""
    takes = {"tokens_per_image": 1000, "supported_fields": ["image_url"], "upstream": "sandbox"}
    model = priced_model(site.v1, input_usd="0.001", output_usd="0.000001", markup="1", **takes)
    owner = customer()
    large = data_uri(PNG.ljust(1_000_000, b"\0"))
    for parts in ([], [part(data_uri(PNG))], [part(large)] * 3):
        assert asked(owner, *parts, model=model).status_code == 200
    none, one, three = (record.hold_credits for record in owner.records)
    assert (one - none, three - none) == (Decimal("1.1"), Decimal("3.3"))


# Those that a provider does not fetch itself


ABROAD = route("http://127.0.0.1:9/v1", transport="litellm", provider="anthropic")
ITSELF = route("https://api.openai.com/v1")


def serving(**pictures: bytes | int) -> Handler:
    """A server of `pictures` by the path /name, given as bytes or by how many."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        picture = pictures.get(request.path.strip("/"))
        return (
            web.Response(status=404)
            if picture is None
            else web.Response(body=picture if isinstance(picture, bytes) else PNG.ljust(picture))
        )

    return handle


def inlined(handler: Handler, *names: str) -> list[Any]:
    """The parts of a message with the images of those names, put in."""

    async def run() -> list[Any]:
        async with served(handler) as (origin, network):
            fields = {"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": parts(origin, names)}], "n": 2}
            put_in = await images.inlined(fields, network=network)
            assert (put_in["n"], put_in["messages"][0]) == (2, fields["messages"][0])
            assert str(origin) in str(fields)  # the caller's own body is left as it was
            content: list[Any] = put_in["messages"][1]["content"]
            return content

    def parts(origin: str, names: tuple[str, ...]) -> list[Any]:
        return [{"type": "text", "text": "?"}, *(part(f"{origin}/{name}", detail="low") for name in names)]

    return asyncio.run(run())


def test_images_are_fetched_and_put_in_by_the_type_of_their_bytes():
    text, png, webp, again = inlined(serving(a=PNG, b=WEBP), "a", "b", "a")
    assert text == {"type": "text", "text": "?"}
    assert png == again == part(data_uri(PNG), detail="low")
    assert webp == part(data_uri(WEBP, "webp"), detail="low")


def test_every_image_that_cannot_be_had_is_named_and_nothing_of_why_we_know():
    with pytest.raises(ApiError) as caught:
        inlined(serving(a=PNG, page=b"<html>", huge=8 * 1024 * 1024 + 1), "a", "page", "gone", "huge")
    error = caught.value
    assert (error.code, error.param) == ("invalid_request", "/messages/1/content/2/image_url/url")
    assert [line["message"] for line in error.details["errors"]] == [
        "is not a PNG, JPEG, GIF or WebP image",
        "could not be fetched: its server answered 404",
        "is larger than 8 MiB",
    ]
    assert "127.0.0.1" not in error.message


def test_a_call_holds_no_more_of_them_than_a_body_may_have(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(images, "MAX_BYTES_FETCHED", 3_000_000)
    assert len(inlined(serving(a=1_000_000, b=1_000_001), "a", "b")) == 3
    with pytest.raises(ApiError, match="invalid_request"):
        inlined(serving(a=1_000_000, b=1_000_001, c=1_000_002), "a", "b", "c")


def test_for_one_route_after_another_they_are_fetched_once():
    asked: list[str] = []
    pictures = serving(a=PNG)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        return await pictures(request)

    async def run() -> list[Any]:
        async with served(handle) as (origin, network):
            fields = {"messages": [{"role": "user", "content": [part(f"{origin}/a")]}]}
            inlining = images.Inlining(fields, network=network)
            sent = [await inlining.fields_for(route) for route in (ITSELF, ABROAD, ABROAD, ITSELF)]
            assert sent[0] is sent[3] is fields
            return sent[1:3]

    assert [fields["messages"][0]["content"] for fields in asyncio.run(run())] == [[part(data_uri(PNG))]] * 2
    assert asked == ["/a"]


def test_one_that_could_not_be_fetched_is_not_asked_for_again():
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return []

    async def run() -> Any:
        fields = {"messages": [{"role": "user", "content": [part("https://pictures.example/a.png")]}]}
        inlining = images.Inlining(fields, network=Network(resolve=resolve))
        for _ in range(2):
            with pytest.raises(ApiError) as caught:
                await inlining.fields_for(ABROAD)
            assert (caught.value.code, caught.value.param) == ("invalid_request", "/messages/0/content/0/image_url/url")
        return await inlining.fields_for(ITSELF) is fields

    assert asyncio.run(run())
    assert asked == ["pictures.example"]


def test_a_provider_that_fetches_them_itself_is_left_to():
    fields = {"messages": [{"role": "user", "content": [part("https://pictures.example/a.png")]}]}

    async def resolve(host: str, port: int) -> list[str]:
        raise AssertionError("nothing is fetched")

    async def run() -> Any:
        return await images.Inlining(fields, network=Network(resolve=resolve)).fields_for(ITSELF)

    assert asyncio.run(run()) is fields


@pytest.mark.parametrize("provider", ["minimax", "hosted_vllm"])
def test_a_provider_not_known_to_fetch_them_is_never_sent_an_address(provider: str):
    fields = {"messages": [{"role": "user", "content": [part("https://pictures.example/a.png")]}]}
    asked = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return []

    inlining = images.Inlining(fields, network=Network(resolve=resolve))
    with pytest.raises(ApiError):
        asyncio.run(inlining.fields_for(route("http://127.0.0.1:9/v1", provider=provider)))
    assert asked == ["pictures.example"]


@pytest.mark.parametrize("stream", [False, True])
def test_over_litellm_an_address_inside_our_network_is_refused_before_the_provider(site, customer, stream: bool):
    model = priced_model(site.v1, transport="litellm", upstream="sandbox", supported_fields=["image_url"])
    owner = customer()
    urls = (f"{site.sandbox}/a.png".replace("http://", "https://"), "https://169.254.169.254/latest/meta-data/", "https://localhost/")
    content = [part(url) for url in urls]
    response = owner.http.post(
        "/chat/completions", json={"model": model, "stream": stream, "messages": [{"role": "user", "content": content}]}
    )
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, "invalid_request", "/messages/0/content/0/image_url/url")
    assert [line["message"] for line in error["details"]["errors"]] == ["must stand for a public address"] * 3
    record = owner.record
    assert (record.status, record.clause, record.charged_credits, record.attempts) == ("released", "not_sent", 0, [])
    assert (owner.wallet.balance, owner.wallet.held) == (1000, 0)


@pytest.mark.parametrize("size", [1, 2, 3, 3 * 65_536 - 1, 3 * 65_536, 3 * 65_536 + 1, 10**6])
def test_an_image_put_in_piece_by_piece_is_whole(size: int):
    data = (PNG * (size // len(PNG) + 1))[:size]
    assert images.data_uri(data, kind="image/png") == data_uri(data)
