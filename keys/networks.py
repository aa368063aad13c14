"""The networks that a key may be used from: reading what its owner writes, and asking whether an address is in one."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

from contract.client_address import Address

Network = IPv4Network | IPv6Network

_MAPPED_PREFIX = 96  # ::ffff:0:0/96 stands for IPv4 in IPv6


class NotANetwork(ValueError):
    """Its text tells the owner of a key what is wrong."""


def network(text: str) -> Network:
    """The network that `text` names in CIDR (`10.0.0.0/8`, `2001:db8::/32`); a single address is a network of one.

    IPv4 written as IPv6 (`::ffff:10.0.0.1`) is IPv4, as `contract.client_address` has it. Raises NotANetwork.
    """
    shown = text if len(text) <= 64 else f"{text[:64]}…"
    if "%" in text:
        raise NotANetwork(f"“{shown}” has a zone, which means something on its own link alone.")
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        raise NotANetwork(f"“{shown}” is neither an address nor a network such as 203.0.113.7, 10.0.0.0/8 or 2001:db8::/32.") from None
    if "/" in text and not _is_start(text, found):
        raise NotANetwork(f"“{shown}” names an address within a network. Did you mean {found}, or that address alone?")
    mapped = found.network_address.ipv4_mapped if isinstance(found, IPv6Network) else None
    if mapped is not None and found.prefixlen >= _MAPPED_PREFIX:
        return IPv4Network((mapped, found.prefixlen - _MAPPED_PREFIX))
    return found


def _is_start(text: str, found: Network) -> bool:
    return ip_network(text.partition("/")[0]).network_address == found.network_address


def in_words(network: str) -> str:
    """A stored network as people write it: a single address without its `/32`."""
    found = ip_network(network)
    return str(found.network_address) if found.num_addresses == 1 else network


def admit(networks: Iterable[Network], address: Address | None) -> bool:
    """Whether the address is in one of the networks. One that could not be told is in none."""
    return address is not None and any(address in network for network in networks)
