"""Where a request comes from: the one place that decides whom to believe about it.

Each proxy adds the address of whoever asked it to the end of X-Forwarded-For. So with `settings.TRUSTED_PROXY_COUNT` proxies of ours the
entry that many from the end was written by the outermost of them; everything before it is the client's own claim. Without proxies the
whole header is. The server must leave the connection's address alone (uvicorn's `--no-proxy-headers`), or it would be believed after all.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Protocol

from django.conf import settings

Address = IPv4Address | IPv6Address

# As some proxies write it: 192.0.2.1:443, [2001:db8::1]:443
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::\d+)?|([\d.]+):\d+", re.ASCII)


class WithMeta(Protocol):
    """What is read of a request, Django's or DRF's."""

    @property
    def META(self) -> dict[str, Any]: ...  # noqa: N802  Django's name


def client_address(request: WithMeta) -> Address | None:
    """The client's address; an IPv4 address that came as an IPv6 one (`::ffff:192.0.2.1`) is an IPv4 address.

    None where it can't be told: fewer entries than proxies, an entry that is no address, or one with a zone (`fe80::1%eth0`), which
    means something on its own link alone.
    """
    proxies: int = settings.TRUSTED_PROXY_COUNT
    if proxies < 1:
        return parsed(request.META.get("REMOTE_ADDR", ""))
    entries = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    return parsed(entries[-proxies]) if len(entries) >= proxies else None


def parsed(text: str) -> Address | None:
    """The address that `text` is, spaces around it and a port aside."""
    text = text.strip()
    if with_port := _WITH_PORT.fullmatch(text):
        text = with_port[1] or with_port[2]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return None if address.scope_id is not None else address.ipv4_mapped or address
