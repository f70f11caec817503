"""A block list in memory: what stands on it, and whether a scan meets it. Pure.

A block is a brand's and holds for scans of the brand's codes. Those that ended stop by themselves.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Kind = Literal["unit", "batch", "member", "device", "network"]
Why = Literal["copied", "abuse", "stolen", "other"]

KINDS: Final[tuple[Kind, ...]] = ("unit", "batch", "member", "device", "network")
"""In the order in which they are looked at: the most particular first."""
WHYS: Final[tuple[Why, ...]] = ("copied", "abuse", "stolen", "other")
"""Classes of reason: all that the consumer is told of it."""
ADDRESSES_KEPT_MAX: Final = 4_096


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list.

    Attributes:
        brand_id: whose list it stands on.
        kind: what is blocked.
        key: the unit's, batch's or member's id in decimal, the device's blind index in hex, or a network (CIDR).
        why: the class of reason.
        until: when it stops.
    """

    brand_id: int
    kind: Kind
    key: str
    why: Why
    until: datetime


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a scan, as far as a list may name them."""

    member_id: int | None
    device: bytes | None
    address: str | None


class BlockList:
    """The lists of all brands, to be asked at each scan.

    Args:
        entries: all that stand; a later one for the same thing is taken.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._single: dict[tuple[int, Kind, str], Entry] = {}
        self._networks: defaultdict[int, dict[tuple[int, int], dict[int, Entry]]] = defaultdict(dict)
        for entry in entries:
            if entry.kind == "network":
                network = ipaddress.ip_network(entry.key)
                same = self._networks[entry.brand_id].setdefault((network.version, network.prefixlen), {})
                same[int(network.network_address)] = entry
            else:
                self._single[entry.brand_id, entry.kind, entry.key] = entry

    def __len__(self) -> int:
        return len(self._single) + sum(len(same) for lists in self._networks.values() for same in lists.values())

    def find(self, brand_id: int, *, unit_id: int, batch_id: int | None, sender: Sender, at: datetime) -> Entry | None:
        """The entry that a scan meets at a moment, the most particular one; None where it meets none."""
        asked: tuple[tuple[Kind, str | None], ...] = (
            ("unit", str(unit_id)),
            ("batch", None if batch_id is None else str(batch_id)),
            ("member", None if sender.member_id is None else str(sender.member_id)),
            ("device", None if sender.device is None else sender.device.hex()),
        )
        for kind, key in asked:
            if key is not None:
                entry = self._single.get((brand_id, kind, key))
                if entry is not None and at < entry.until:
                    return entry
        return self._find_network(brand_id, sender.address, at)

    def _find_network(self, brand_id: int, text: str | None, at: datetime) -> Entry | None:
        lists = self._networks.get(brand_id)
        address = None if not lists or text is None else parse_address(text)
        if not lists or address is None:
            return None
        found = (
            same.get(int(address) >> (address.max_prefixlen - bits) << (address.max_prefixlen - bits))
            for (version, bits), same in sorted(lists.items(), reverse=True)
            if version == address.version
        )
        return next((entry for entry in found if entry is not None and at < entry.until), None)


@lru_cache(ADDRESSES_KEPT_MAX)
def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address as networks hold it (IPv4 in IPv6's clothes undressed); None for what is none."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found
