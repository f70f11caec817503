"""Limits of guessing and of haste, by device, member and network (ADR 0037, 0051).

A code that one of our keys signed is never refused for its sender's rate: many honest people share an address. Only
failures cost, and looking up what anybody could guess. Whoever scans faster than a person does is told of to the judge
(`scanned`), and whoever fails again and again is in doubt (`doubtful`): they are asked for work before a claim.

Kept in this process's memory, so that nothing here touches the database; what was taken is exchanged with the other
processes once a second (`kernel.rate_exchange`).
"""

from __future__ import annotations

import ipaddress
import math
import re
import secrets
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, Literal

from kernel.crypto import BlindIndex
from kernel.errors import TooMany
from kernel.rates import Rate, Table

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Kind = Literal["wrong", "unsigned", "scan", "doubt", "wechat", "message", "guess"]
Scope = Literal["device", "member", "address", "network", "site"]

KEYS_MAX: Final = 30_000
"""Keys that each limit remembers: at most 26 × 30,000 in all, about 200 MB, where a flood comes from everywhere."""
ADDRESSES_KEPT_MAX: Final = 4_096

RATES: Final[dict[tuple[Kind, Scope], Rate]] = {
    # Codes that were not ours. A page and its scan are two; people mistype a few. A network that has spent its burst
    # still tries 1,800 codes an hour, out of 2^55.
    ("wrong", "device"): Rate(20, 6.0),
    ("wrong", "member"): Rate(20, 6.0),
    ("wrong", "address"): Rate(50, 2.5),
    ("wrong", "network"): Rate(60, 2.0),
    ("wrong", "site"): Rate(240, 0.5),
    # Look-ups of codes without a signature: each costs a statement, and dense numbers can be counted through.
    ("unsigned", "device"): Rate(40, 3.0),
    ("unsigned", "member"): Rate(40, 3.0),
    ("unsigned", "address"): Rate(240, 0.25),
    ("unsigned", "network"): Rate(300, 0.2),
    ("unsigned", "site"): Rate(1_200, 0.05),
    # Scans of codes that verify. A family opens a case of 24 in an evening, a banquet two; who takes 60 and goes on
    # with more than one a minute is a trade that opens packs, or a program. No network: a town shares an address.
    ("scan", "device"): Rate(60, 60.0),
    ("scan", "member"): Rate(60, 60.0),
    # What makes doubtful, besides wrong codes: scans without a good page token, and haste. Pages are left open and
    # cookies lost, so that an evening's bad luck stays below.
    ("doubt", "device"): Rate(20, 60.0),
    ("doubt", "member"): Rate(20, 60.0),
    ("doubt", "address"): Rate(200, 6.0),
    ("doubt", "network"): Rate(600, 2.0),
    # One-time codes asked for: each costs the brand a text message. A town behind one proxy signs in 240 an hour.
    ("message", "address"): Rate(120, 15.0),
    ("message", "network"): Rate(240, 7.5),
    ("message", "site"): Rate(600, 3.0),
    # One-time codes that were wrong, whatever number they were for: people mistype one in ten.
    ("guess", "address"): Rate(60, 20.0),
    ("guess", "network"): Rate(120, 10.0),
    ("guess", "site"): Rate(480, 2.5),
    # Sign-ins with WeChat: each writes a row and asks WeChat, and a town may stand behind one proxy.
    ("wechat", "address"): Rate(240, 0.25),
    ("wechat", "network"): Rate(300, 0.2),
    ("wechat", "site"): Rate(1_200, 0.05),
}
"""By kind and by whom: a device (its cookie's or its app's name), a member, an address of IPv4, a network (/24, /64),
and a site of IPv6 (/48, which one customer may have with its 65,536 networks)."""

_SETTING: Final = re.compile(
    r"(?P<kind>[a-z]+)\.(?P<scope>[a-z]+)=(?P<burst>[0-9]{1,6})/(?P<every>[0-9]{1,5}(?:\.[0-9]{1,3})?)"
)


def parse_rates(setting: str) -> dict[tuple[Kind, Scope], Rate]:
    """The rates, some of them changed by an operator: `scan.member=120/30,wrong.network=600/0.2`.

    Raises:
        ValueError: an entry has not the form KIND.SCOPE=BURST/SECONDS, or names no rate that there is.
    """
    found, names = dict(RATES), {f"{kind}.{scope}": (kind, scope) for kind, scope in RATES}
    for entry in filter(None, (each.strip() for each in setting.split(","))):
        match = _SETTING.fullmatch(entry)
        if match is None:
            raise ValueError(f"{entry!r} is no KIND.SCOPE=BURST/SECONDS, such as scan.member=120/30")
        key = names.get(f"{match['kind']}.{match['scope']}")
        if key is None:
            raise ValueError(f"there is no rate {match['kind']}.{match['scope']}; there are {', '.join(names)}")
        try:
            found[key] = Rate(int(match["burst"]), float(match["every"]))
        except ValueError as error:
            raise ValueError(f"{entry!r}: {error}") from error
    return found


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
        keys_max: keys to remember for each limit.
        rates: how often what may happen.
        index: names networks without telling their addresses; the same in all processes that share limits.
    """

    def __init__(
        self,
        exempt: tuple[Network, ...] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
        keys_max: int = KEYS_MAX,
        rates: Mapping[tuple[Kind, Scope], Rate] = RATES,
        index: BlindIndex | None = None,
    ) -> None:
        self._exempt = exempt
        self._clock = clock
        self._index = index or BlindIndex(secrets.token_bytes(32))
        self._places = lru_cache(ADDRESSES_KEPT_MAX)(self._read_places)
        self._tables: dict[tuple[Kind, Scope], Table] = {
            key: Table(rate, keys_max=keys_max) for key, rate in rates.items()
        }
        self._doubts: dict[Scope, tuple[Table | None, Table]] = {
            scope: (self._tables.get(("doubt", scope)), table)
            for (kind, scope), table in self._tables.items()
            if kind == "wrong"
        }
        self._scans_of: dict[Scope, Table] = {scope: self._tables["scan", scope] for scope in ("device", "member")}
        self.refused = 0

    @property
    def tables(self) -> dict[str, Table]:
        """The tables by the names under which processes exchange them."""
        return {f"{kind}.{scope}": table for (kind, scope), table in self._tables.items()}

    def charge(self, kind: Kind, address: str | None, device: bytes | None, member: int | None = None) -> None:
        """Count one of a kind.

        Raises:
            TooManyCodes: they have had their share; then it costs nothing.
        """
        self.need(kind, address, device, member)
        self.note(kind, address, device, member)

    def need(self, kind: Kind, address: str | None, device: bytes | None, member: int | None = None) -> None:
        """Refuse whoever has had their share of a kind, without counting anything.

        Raises:
            TooManyCodes: they have had their share.
        """
        now = self._clock()
        wait = max(
            (table.wait_s(key, now) for _, table, key in self._entries(kind, address, device, member)), default=0
        )
        if wait > 0:
            self.refused += 1
            raise TooManyCodes(math.ceil(wait))

    def note(self, kind: Kind, address: str | None, device: bytes | None, member: int | None = None) -> None:
        """Count one of a kind that has happened already."""
        now = self._clock()
        for _, table, key in self._entries(kind, address, device, member):
            table.take(key, now)

    def give_back(self, kind: Kind, address: str | None, device: bytes | None, member: int | None = None) -> None:
        """Take back one that was counted and has turned out not to be of the kind."""
        for _, table, key in self._entries(kind, address, device, member):
            table.give_back(key)

    def scanned(self, address: str | None, device: bytes | None, member: int | None) -> Scope | None:
        """Count a scan of a code that verifies; whose rate was spent before it, `member` first, or None."""
        if self._places(address) is None:
            return None
        now = self._clock()
        found: Scope | None = None
        if device is not None and self._scans_of["device"].take(device, now):
            found = "device"
        if member is not None and self._scans_of["member"].take(member.to_bytes(8), now):
            found = "member"
        return found

    def network(self, address: str | None) -> str | None:
        """The network of an address as an alarm names it (/24, /64); None where it is exempt or no address."""
        return next(
            (name for scope, name in networks_of(address, self._exempt) or () if scope == "network" and name != "none"),
            None,
        )

    def is_doubtful(self, address: str | None, device: bytes | None, member: int | None, *, trusted: bool) -> bool:
        """Whether a sender is asked for work before a scan: their doubt is spent, or half of their wrong codes.

        Args:
            address: where from.
            device: by which device.
            member: by whom.
            trusted: an app, or a page of ours was opened for this scan. What others did from the same network is then
                not held against them: an honest first scan is never asked.
        """
        places = self._places(address)
        if places is None:
            return False
        now = self._clock()
        if device is not None and self._is_spent("device", device, now):
            return True
        if member is not None and self._is_spent("member", member.to_bytes(8), now):
            return True
        return not trusted and any(self._is_spent(scope, key, now) for scope, key in places)

    def _is_spent(self, scope: Scope, key: bytes, now: float) -> bool:
        doubt, wrong = self._doubts[scope]
        if doubt is not None and doubt.is_spent(key, now):
            return True
        return 2 * wrong.ahead_s(key, now) >= wrong.rate.ceiling_s

    def _entries(
        self, kind: Kind, address: str | None, device: bytes | None, member: int | None
    ) -> list[tuple[Scope, Table, bytes]]:
        places = self._places(address)
        if places is None:
            return []
        if member is not None and kind in ("wrong", "unsigned"):
            places = ()  # a member's own limits hold wherever they are: whoever shares an address locks no member out
        found: list[tuple[Scope, Table, bytes]] = []
        if device is not None:
            found.append(("device", self._tables[kind, "device"], device))
        if member is not None:
            found.append(("member", self._tables[kind, "member"], member.to_bytes(8)))
        for scope, key in places:
            table = self._tables.get((kind, scope))
            if table is not None:
                found.append((scope, table, key))
        return found

    def _read_places(self, address: str | None) -> tuple[tuple[Scope, bytes], ...] | None:
        """What an address lies in; None where it is exempt."""
        named = networks_of(address, self._exempt)
        if named is None:
            return None
        return tuple((scope, self._index.of(f"limit-{scope}", name)) for scope, name in named)


@lru_cache(ADDRESSES_KEPT_MAX)
def networks_of(address: str | None, exempt: tuple[Network, ...] = ()) -> tuple[tuple[Scope, str], ...] | None:
    """The networks an address lies in: its /32 and /24, or its /64 and /48; None where it is exempt.

    What is no address (a Unix socket) counts as one network of its own: somebody stands before us who hides them all.
    """
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return (("network", "none"),)
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if any(found in network for network in exempt):
        return None
    scopes: tuple[tuple[Scope, int], ...] = (
        (("address", 32), ("network", 24)) if found.version == 4 else (("network", 64), ("site", 48))
    )
    return tuple((scope, str(ipaddress.ip_network((found, bits), strict=False))) for scope, bits in scopes)
