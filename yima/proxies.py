"""Who asks, where proxies stand in between: X-Forwarded headers, believed from trusted networks only.

The right-most address that is not a trusted proxy's is the client: everything further left was written by
somebody we do not know. From anybody else the headers are removed, so that nothing further in believes them.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

import msgspec

from yima.environment import ADDRESSES_KEPT_MAX, Network, within
from yima.wire import is_host

HOPS_MAX = 32
"""Addresses of X-Forwarded-For that are looked at, from the right."""

HOST_CHARS_MAX = 255
_FORWARDING = frozenset(
    {
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-real-ip",
        b"x-request-id",
        b"forwarded",
    }
)

Headers = list[tuple[bytes, bytes]]


class Origin(msgspec.Struct, frozen=True):
    """Who asks, as far as it can be believed.

    Attributes:
        address: the client's network address, or None (a Unix socket).
        scheme: `http` or `https` as the trusted proxy says it, or None.
        host: the host that was asked for as the trusted proxy says it, or None.
        trusted: the peer itself is a trusted proxy.
    """

    address: str | None
    scheme: str | None = None
    host: str | None = None
    trusted: bool = False


def find_origin(peer: str | None, headers: Headers, trusted: tuple[Network, ...]) -> Origin:
    """Who asks, from the peer's address and the request's headers."""
    if peer is None or not within(peer, trusted):
        return Origin(peer)
    scheme = _last(headers, b"x-forwarded-proto").lower()
    host = _last(headers, b"x-forwarded-host")
    return Origin(
        address=_client(peer, headers, trusted),
        scheme=scheme if scheme in ("http", "https") else None,
        host=host if len(host) <= HOST_CHARS_MAX and is_host(host.encode("latin-1")) else None,
        trusted=True,
    )


def strip(headers: Headers) -> Headers:
    """The headers without what proxies add; the same list where there is nothing to remove."""
    if _FORWARDING.isdisjoint([name for name, _ in headers]):
        return headers
    return [(name, value) for name, value in headers if name not in _FORWARDING]


def _values(headers: Headers, name: bytes) -> list[str]:
    """The header's values in order, whether on one line or on several."""
    joined = ",".join(value.decode("latin-1") for key, value in headers if key == name)
    return [part.strip() for part in joined.split(",")] if joined else []


def _last(headers: Headers, name: bytes) -> str:
    for key, value in reversed(headers):
        if key == name:
            return value.decode("latin-1").rpartition(",")[2].strip()
    return ""


def _client(peer: str, headers: Headers, trusted: tuple[Network, ...]) -> str:
    """Walk from the right while the hops are our own; what cannot be read ends the walk at the hop before."""
    found = peer
    for text in reversed(_values(headers, b"x-forwarded-for")[-HOPS_MAX:]):
        address = _address(text)
        if address is None:
            return found
        found = address
        if not within(address, trusted):
            return found
    return found


@lru_cache(ADDRESSES_KEPT_MAX)
def _address(text: str) -> str | None:
    """An address, with or without a port; None for everything else (`unknown`, names, zones)."""
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or (port and not re.fullmatch(r":[0-9]{1,5}", port)):
            return None
    elif re.fullmatch(r"[0-9.]+:[0-9]{1,5}", text):
        text = text.partition(":")[0]
    if "%" in text:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
