"""Limits of guessing: codes that are not ours, and codes without a signature, by network and by device (ADR 0037).

A code that one of our keys signed is never limited: many honest people share an address. Only failures cost, and
looking up what anybody could guess. Kept in this process's memory; nothing here touches the database.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Final, Literal

from kernel.errors import TooMany
from kernel.rates import Rate, Table

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Kind = Literal["wrong", "unsigned"]

KEYS_MAX: Final = 50_000
"""Networks, sites and devices that each limit remembers: at most 6 × 50,000 in all, about 60 MB."""
ADDRESSES_KEPT_MAX: Final = 4_096

_IPV6: Final = 1 << 64
_SITE_BITS: Final = 16

RATES: Final[dict[Kind, tuple[Rate, Rate, Rate]]] = {
    "wrong": (Rate(60, 2.0), Rate(20, 6.0), Rate(240, 0.5)),
    "unsigned": (Rate(300, 0.2), Rate(40, 3.0), Rate(1_200, 0.05)),
}
"""For a network (/24, /64), a device, and a site of IPv6 (/48, which one customer may have with its 65,536 networks):
codes that were not ours, and lookups of codes that bear no signature.

A page and its scan are two. A network that has spent its burst still tries 1,800 codes an hour, out of 2^55.
"""


class TooManyCodes(TooMany):
    """Too many codes from here were not ours, or could have been guesses."""

    code = "too_many_codes"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            f"Many codes were tried from here, so we take a short break: please try again in {retry_after_s} "
            f"second{'' if retry_after_s == 1 else 's'}. "
            "Nothing is lost, and your reward stays yours.",
            retry_after_s=retry_after_s,
        )


class Limits:
    """The limits of this process.

    Args:
        exempt: networks that are never limited (`YIMA_LIMIT_EXEMPT`).
        clock: seconds that never go back.
        keys_max: networks, sites and devices to remember for each limit.
    """

    def __init__(
        self,
        exempt: tuple[Network, ...] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
        keys_max: int = KEYS_MAX,
    ) -> None:
        self._exempt = exempt
        self._clock = clock
        self._tables: dict[Kind, tuple[Table, Table, Table]] = {
            kind: (Table(network, keys_max=keys_max), Table(device, keys_max=keys_max), Table(site, keys_max=keys_max))
            for kind, (network, device, site) in RATES.items()
        }
        self.refused = 0

    def charge(self, kind: Kind, address: str | None, device: bytes | None) -> None:
        """Count one of a kind.

        Raises:
            TooManyCodes: the network or the device has had its share; then it costs nothing.
        """
        for table, key, now in self._spend(kind, address, device):
            table.take(key, now)

    def need(self, kind: Kind, address: str | None, device: bytes | None) -> None:
        """Refuse whoever has had their share of a kind, without counting anything.

        Raises:
            TooManyCodes: the network or the device has had its share.
        """
        self._spend(kind, address, device)

    def note(self, kind: Kind, address: str | None, device: bytes | None) -> None:
        """Count one of a kind that has happened already."""
        for table, key, now in self._entries(kind, address, device):
            table.take(key, now)

    def give_back(self, kind: Kind, address: str | None, device: bytes | None) -> None:
        """Take back one that was counted and has turned out not to be of the kind."""
        for table, key, _ in self._entries(kind, address, device):
            table.give_back(key)

    def _entries(self, kind: Kind, address: str | None, device: bytes | None) -> list[tuple[Table, Hashable, float]]:
        network = network_of(address, self._exempt)
        if network is None:
            return []
        now = self._clock()
        by_network, by_device, by_site = self._tables[kind]
        found: list[tuple[Table, Hashable, float]] = [(by_network, network, now)]
        if device is not None:
            found.append((by_device, device, now))
        if network >= _IPV6:
            found.append((by_site, network >> _SITE_BITS, now))
        return found

    def _spend(self, kind: Kind, address: str | None, device: bytes | None) -> list[tuple[Table, Hashable, float]]:
        entries = self._entries(kind, address, device)
        wait = max((table.wait_s(key, now) for table, key, now in entries), default=0.0)
        if wait > 0:
            self.refused += 1
            raise TooManyCodes(math.ceil(wait))
        return entries


@lru_cache(ADDRESSES_KEPT_MAX)
def network_of(address: str | None, exempt: tuple[Network, ...] = ()) -> int | None:
    """The /24 or /64 of an address as a number; None where it is exempt.

    What is no address (a Unix socket) counts as one network of its own: somebody stands before us who hides them all.
    """
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return -1
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if any(found in network for network in exempt):
        return None
    if isinstance(found, ipaddress.IPv4Address):
        return int(found) >> 8
    return _IPV6 | int(found) >> 64
