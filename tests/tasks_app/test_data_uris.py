"""A file in a `data:` URI: which are read."""

import base64

import pytest

from tasks_app.uploads.data_uri import bytes_of

MIB = 1024 * 1024


def refused(uri: str, most_bytes: int = 7 * MIB) -> str:
    with pytest.raises(ValueError) as caught:
        bytes_of(uri, most_bytes=most_bytes)
    return str(caught.value)


@pytest.mark.parametrize(
    "head",
    ["data:audio/mpeg;base64,", "data:;base64,", "DATA:text/html;BASE64,", "data:audio/wav;codecs=1;base64,", "data:nonsense;base64,"],
)
def test_the_bytes_come_whatever_type_is_claimed(head: str):
    assert bytes_of(head + base64.b64encode(b"some bytes").decode(), most_bytes=MIB) == b"some bytes"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "data:",
        "data:audio/mpeg;base64",
        "data:audio/mpeg;base64;AAAA",
        "data:audio/mpeg,AAAA",
        "data:audio/mpeg;base64 ,AAAA",
        "data:audio/mpeg,%FF%FB;base64,AAAA",
        " data:audio/mpeg;base64,AAAA",
        "https://music.example/;base64,AAAA",
        f"data:audio/{'m' * 250};base64,AAAA",
        f"data:{'m' * 9_000_000}",
    ],
)
def test_what_is_no_base64_data_uri_is_not_read(uri: str):
    assert refused(uri) == "must be a base64 data: URI"


@pytest.mark.parametrize(
    "encoded",
    [
        "A",
        "AAA",
        "AAAA=",
        "AA==AAAA",
        "AAAA AAAA",
        "AAAA\r\nAAAA",
        "AA%3D%3D",
        "%41%41%41%41",
        "AA-_",
        "AAA\x00",
        "AAAä",
        "====",
        "ＡＡＡＡ",
    ],
)
def test_base64_is_read_strictly(encoded: str):
    assert refused(f"data:audio/mpeg;base64,{encoded}") == "must hold valid base64"


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 7 * MIB - 1, 7 * MIB])
def test_up_to_its_limit_of_decoded_bytes(size: int):
    data = bytes(size)
    assert bytes_of("data:;base64," + base64.b64encode(data).decode(), most_bytes=7 * MIB) == data


@pytest.mark.parametrize("size", [7 * MIB + 1, 7 * MIB + 2, 7 * MIB + 3, 9 * MIB])
def test_and_not_a_byte_more(size: int):
    assert refused("data:;base64," + base64.b64encode(bytes(size)).decode()) == "is larger than 7 MiB"
