"""What the owner of a key may write as a network, and what is in one."""

from ipaddress import ip_address

import pytest

from keys.networks import NotANetwork, admit, in_words, network


@pytest.mark.parametrize(
    ("written", "kept", "shown"),
    [
        ("203.0.113.7", "203.0.113.7/32", "203.0.113.7"),
        ("203.0.113.7/32", "203.0.113.7/32", "203.0.113.7"),
        ("10.0.0.0/8", "10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8", "10.0.0.0/8"),
        ("0.0.0.0/0", "0.0.0.0/0", "0.0.0.0/0"),
        ("2001:db8::1", "2001:db8::1/128", "2001:db8::1"),
        ("2001:0DB8::/32", "2001:db8::/32", "2001:db8::/32"),
        ("::/0", "::/0", "::/0"),
        ("::ffff:10.0.0.1", "10.0.0.1/32", "10.0.0.1"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8", "10.0.0.0/8"),
    ],
)
def test_a_network_is_kept_in_one_form(written: str, kept: str, shown: str):
    assert str(network(written)) == kept
    assert in_words(kept) == shown


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("example.com", "neither an address nor a network"),
        ("10.0.0", "neither"),
        ("10.0.0.0/33", "neither"),
        ("10.0.0.0/", "neither"),
        ("/8", "neither"),
        ("1", "neither"),
        ("10.0.0.1, 10.0.0.2", "neither"),
        ("10.0.0.1 # office", "neither"),
        ("x" * 5000, "x…”"),
        ("fe80::1%eth0", "zone"),
        ("10.1.2.3/8", "Did you mean 10.0.0.0/8"),
        ("2001:db8::1/32", "Did you mean 2001:db8::/32"),
    ],
)
def test_what_is_no_network_is_refused_with_the_reason(written: str, why: str):
    with pytest.raises(NotANetwork, match=r".") as caught:
        network(written)
    assert why in str(caught.value)
    assert len(str(caught.value)) < 300


def test_an_address_is_in_its_networks_and_no_other():
    office = [network("10.0.0.0/8"), network("2001:db8::/32"), network("203.0.113.7")]
    for inside in ("10.255.0.1", "2001:db8::5", "203.0.113.7"):
        assert admit(office, ip_address(inside))
    for outside in ("11.0.0.1", "2001:db9::5", "203.0.113.8", "::a00:1"):
        assert not admit(office, ip_address(outside))


def test_an_address_that_could_not_be_told_is_nowhere():
    assert not admit([network("0.0.0.0/0"), network("::/0")], None)


def test_no_network_has_no_address():
    assert not admit([], ip_address("10.0.0.1"))
