"""Where a request comes from, behind any number of proxies."""

from ipaddress import ip_address

import pytest
from django.test import RequestFactory

from contract.client_address import client_address


def seen(peer: str, forwarded: str | None = None) -> str | None:
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    address = client_address(RequestFactory().get("/", REMOTE_ADDR=peer, **headers))
    return None if address is None else str(address)


@pytest.mark.parametrize("forwarded", [None, "198.51.100.1", "198.51.100.1, 198.51.100.2", "garbage"])
def test_without_proxies_it_is_the_connections_whatever_is_claimed(settings, forwarded: str | None):
    settings.TRUSTED_PROXY_COUNT = 0
    assert seen("203.0.113.7", forwarded) == "203.0.113.7"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "10.0.0.1, 198.51.100.1", "198.51.100.1"),
        (1, "10.0.0.1,\t198.51.100.1 ", "198.51.100.1"),
        (2, "10.0.0.1, 198.51.100.1, 192.0.2.1", "198.51.100.1"),
        (2, "198.51.100.1, 192.0.2.1", "198.51.100.1"),
        (1, "198.51.100.1:4711", "198.51.100.1"),
        (1, "[2001:db8::1]:4711", "2001:db8::1"),
        (1, "2001:DB8:0::1", "2001:db8::1"),
        (1, "::ffff:198.51.100.1", "198.51.100.1"),
        (1, "::FFFF:c633:6401", "198.51.100.1"),
    ],
)
def test_behind_proxies_it_is_what_the_outermost_of_them_wrote(settings, proxies: int, forwarded: str, expected: str):
    settings.TRUSTED_PROXY_COUNT = proxies
    assert seen("127.0.0.1", forwarded) == expected


@pytest.mark.parametrize(
    ("proxies", "forwarded"),
    [
        (1, None),
        (1, ""),
        (1, "198.51.100.1,"),
        (1, "198.51.100.1, unknown"),
        (1, "fe80::1%eth0"),
        (1, "198.51.100.256"),
        (1, "198.51.100.1/32"),
        (1, "010.0.0.1"),
        (1, "1"),
        (1, "[]:1"),
        (1, "x" * 10_000),
        (1, "\x00"),
        (1, "１.1.1.1"),
        (2, "198.51.100.1"),
        (3, "198.51.100.1, 192.0.2.1"),
    ],
)
def test_what_can_not_be_told_is_not_guessed(settings, proxies: int, forwarded: str | None):
    settings.TRUSTED_PROXY_COUNT = proxies
    assert seen("127.0.0.1", forwarded) is None


@pytest.mark.parametrize("peer", ["", "fe80::1%eth0", "a socket"])
def test_a_connection_without_an_address_has_none(settings, peer: str):
    settings.TRUSTED_PROXY_COUNT = 0
    assert seen(peer) is None


def test_an_ipv4_connection_of_an_ipv6_socket_is_ipv4(settings):
    settings.TRUSTED_PROXY_COUNT = 0
    address = client_address(RequestFactory().get("/", REMOTE_ADDR="::ffff:203.0.113.7"))
    assert address == ip_address("203.0.113.7")
