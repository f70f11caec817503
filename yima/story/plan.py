"""What will be scanned, by whom and where: computed from a seed before the first scan is sent."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from traceability.coordinates import wgs84_to_gcj02
from traceability.regions import Regions
from yima.story.cast import CITIES, DIVERTED_TO, DIVERTER, City, Trader, cities_of

HOME_SHARE = 0.93
"""Share of a dealer's goods that surface in the dealer's territory; the others travel with people."""
DIVERTED_SHARE = 0.6
LOCATED_SHARE = 0.7
TOWN_SHARE = 0.6
COUNTRY_KM = 70.0
"""Mean distance from the city of those who live in the country around it."""
COPIES = 12
"""How often a copied code turns up in far places."""

_CITY = {city.adcode: city for city in CITIES}


@dataclass(frozen=True, slots=True)
class Line:
    """A printed code and the dealer its carton went to (None: not shipped yet)."""

    url: str
    points: int
    dealer: Trader | None


@dataclass(frozen=True, slots=True)
class Planned:
    """One scan to send; `part` is the chapter it belongs to."""

    part: str
    scan_id: UUID
    code: str
    member: int | None
    device: str
    location: dict[str, Any] | None
    language: str


@dataclass(slots=True)
class Plan:
    """Chapters, played one after another; scans within one are sent in parallel, runs of a list in order."""

    firsts: list[Planned] = field(default_factory=list)
    early: list[Planned] = field(default_factory=list)
    repeats: list[Planned] = field(default_factory=list)
    copies: list[list[Planned]] = field(default_factory=list)
    forged: list[Planned] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.firsts) + len(self.early) + len(self.repeats) + len(self.forged) + sum(map(len, self.copies))


@dataclass(frozen=True, slots=True)
class Shares:
    """How many scans of each kind a story of N scans has."""

    early: int
    repeats: int
    copied_units: int
    forged: int
    firsts: int

    @classmethod
    def of(cls, scans: int) -> Shares:
        """Divide N; whatever is not special is a first scan."""
        early, repeats, forged = scans // 50, scans // 8, scans // 25
        copied_units = max(1, scans // 2500)
        return cls(early, repeats, copied_units, forged, scans - early - repeats - forged - copied_units * COPIES)


class Planner:
    """Draws up a plan; equal arguments make equal plans, but for the scan ids, which are new each time."""

    def __init__(self, seed: int, members: int) -> None:
        self._regions = Regions.load()
        self._random = random.Random(seed)
        self._members = members
        self._weights = [city.millions for city in CITIES]

    def plan(self, shares: Shares, lines: Sequence[Line], early: Sequence[Line]) -> Plan:
        """Plan the story: `lines` are fresh active codes, `early` fresh codes that are not activated yet."""
        rng = self._random
        plan = Plan()
        plan.firsts = [self._first(line, "first") for line in lines[: shares.firsts]]
        plan.early = [self._first(line, "early") for line in early[: shares.early]]
        again = rng.sample(range(shares.firsts), shares.repeats)
        for place in again:
            before = plan.firsts[place]
            same = rng.random() < 0.7
            member = before.member if same else rng.randrange(self._members)
            device = before.device if same else f"phone-{member}"
            plan.repeats.append(
                Planned("repeat", uuid4(), before.code, member, device, before.location, before.language)
            )
        for place in rng.sample(range(shares.firsts), shares.copied_units):
            plan.copies.append(list(self._copies(plan.firsts[place])))
        plan.forged = [self._forged(rng.choice(plan.firsts).code) for _ in range(shares.forged)]
        return plan

    def _first(self, line: Line, part: str) -> Planned:
        rng = self._random
        member = rng.randrange(self._members)
        located = rng.random() < LOCATED_SHARE
        return Planned(
            part,
            uuid4(),
            line.url,
            member,
            f"phone-{member}",
            self._place(self._where(line.dealer)) if located else None,
            "zh" if rng.random() < 0.9 else "en",
        )

    def _where(self, dealer: Trader | None) -> City:
        rng = self._random
        if dealer is None:
            return rng.choices(CITIES, self._weights)[0]
        if dealer.code == DIVERTER and rng.random() < DIVERTED_SHARE:
            return _CITY[rng.choice(DIVERTED_TO)]
        if rng.random() < HOME_SHARE:
            cities = cities_of(dealer)
            return rng.choices(cities, [city.millions for city in cities])[0]
        return rng.choices(CITIES, self._weights)[0]

    def _home(self, city: City) -> tuple[float, float]:
        """Where somebody lives who shops in a city: in it, or in the country around it, in the same province."""
        rng = self._random
        province = city.adcode // 10_000
        while True:
            town = rng.random() < TOWN_SHARE
            distance_km = min(abs(rng.gauss(0, 8)), 25) if town else 10 + rng.expovariate(1 / COUNTRY_KM)
            angle = rng.random() * 2 * math.pi
            lat = city.lat + distance_km * math.sin(angle) / 111.2
            lng = city.lng + distance_km * math.cos(angle) / (111.2 * math.cos(math.radians(city.lat)))
            if town:
                return lat, lng
            found = self._regions.locate(lat, lng)
            if found is not None and found.adcode // 10_000 == province:
                return lat, lng

    def _place(self, city: City) -> dict[str, Any]:
        """A place in or around a city, as a phone or WeChat would tell it."""
        rng = self._random
        lat, lng = self._home(city)
        accuracy = round(rng.choice((8, 15, 30, 65, 200)) * (0.7 + rng.random()), 1)
        if rng.random() < 0.4:  # WeChat tells GCJ-02 where its page asks for it
            lat, lng = wgs84_to_gcj02(lat, lng)
            source, datum = "wechat", "gcj02"
        else:
            source, datum = "gps", "wgs84"
        return {
            "lat": round(lat, 6), "lng": round(lng, 6), "datum": datum, "accuracy_m": accuracy, "source": source
        }  # fmt: skip

    def _copies(self, original: Planned) -> Iterator[Planned]:
        """The same code again and again, on other people's phones all over the country."""
        rng = self._random
        cities = rng.sample(CITIES, COPIES)
        for n, city in enumerate(cities):
            member = rng.randrange(self._members) if rng.random() < 0.5 else None
            device = f"stranger-{rng.getrandbits(40):x}-{n}"
            yield Planned("copy", uuid4(), original.code, member, device, self._place(city), "zh")

    def _forged(self, code: str) -> Planned:
        """A guess, a code with one symbol changed, or a cut one."""
        rng = self._random
        head, _, symbols = code.rpartition("/")
        alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
        kind = rng.random()
        if kind < 0.5:
            text = "".join(rng.choice(alphabet) for _ in range(20))
        elif kind < 0.75:
            place = rng.randrange(20)
            other = rng.choice([symbol for symbol in alphabet if symbol != symbols[place]])
            text = symbols[:place] + other + symbols[place + 1 :]
        else:
            text = symbols[: rng.randrange(1, 20)]
        member = rng.randrange(self._members)
        return Planned("forged", uuid4(), f"{head}/{text}", member, f"phone-{member}", None, "zh")
