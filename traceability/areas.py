"""Areas made of regions of any level: as few adcodes as say the same, how they are named, where two overlap. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache

from kernel.errors import NotFound
from traceability.changes import Problem, refuse
from traceability.regions import Region, Regions


@dataclass(frozen=True, slots=True)
class Branch:
    """A region and those in it; a region that is all of its parent has no branch of its own."""

    region: Region
    parts: tuple[Branch, ...]


@lru_cache(maxsize=4)
def tree(regions: Regions) -> tuple[Branch, ...]:
    """Provinces with their cities and districts. A municipality's districts stand right below it."""
    districts: dict[int, list[Region]] = {}
    for district in regions.all_of("district"):
        assert district.city is not None
        districts.setdefault(district.city.adcode, []).append(district)
    cities: dict[int, list[Region]] = {}
    for city in regions.all_of("city"):
        assert city.province is not None
        cities.setdefault(city.province.adcode, []).append(city)

    def below(region: Region, parts: list[Region]) -> tuple[Region, ...]:
        return tuple(part for part in parts if part.adcode != region.adcode)

    branches = []
    for province in regions.all_of("province"):
        own = cities.get(province.adcode, [])
        if len(own) == 1:
            leaves = below(province, districts.get(own[0].adcode, []))
            branches.append(Branch(province, tuple(Branch(each, ()) for each in leaves)))
            continue
        parts = tuple(
            Branch(city, tuple(Branch(each, ()) for each in below(city, districts.get(city.adcode, []))))
            for city in own
        )
        branches.append(Branch(province, parts))
    return tuple(branches)


def read(regions: Regions, texts: Iterable[str]) -> list[int]:
    """Adcodes as they were typed or sent.

    Raises:
        InvalidInput: one of them names no region.
    """
    found = []
    for each in texts:
        try:
            adcode = int(each) if each.isascii() and each.isdigit() and len(each) == 6 else 0
            found.append(regions.region(adcode).adcode)
        except NotFound:
            sentence = f"There is no region with the adcode {each[:20]!r}."
            refuse([Problem("adcodes", "territory_unknown", sentence, {"adcode": each[:20]})])
    return found


def tidy(regions: Regions, adcodes: Iterable[int]) -> tuple[int, ...]:
    """The same area by as few adcodes as can be: whole provinces, else whole cities, else districts.

    Raises:
        NotFound: there is no such adcode.
    """
    covered: frozenset[int] = frozenset().union(*(regions.districts_of(adcode) for adcode in adcodes))
    return tuple(sorted(_cover(regions, tree(regions), covered)))


def _cover(regions: Regions, branches: Iterable[Branch], covered: Collection[int]) -> list[int]:
    found = []
    for branch in branches:
        held = regions.districts_of(branch.region.adcode)
        if held <= set(covered):
            found.append(branch.region.adcode)
        elif held & set(covered):
            found += _cover(regions, branch.parts, held & set(covered))
    return found


def overlap(regions: Regions, one: Iterable[int], other: Iterable[int]) -> tuple[int, ...]:
    """The area that two have in common, tidied."""
    mine = frozenset().union(*(regions.districts_of(adcode) for adcode in one))
    theirs = frozenset().union(*(regions.districts_of(adcode) for adcode in other))
    return tuple(sorted(_cover(regions, tree(regions), mine & theirs)))


def only_province(regions: Regions, adcodes: Iterable[int]) -> Region | None:
    """The one province that an area lies in without being all of it; None where there is none such."""
    found = set(adcodes)
    provinces = {regions.province_of(adcode).adcode for adcode in found}
    if len(provinces) != 1 or provinces & found:
        return None
    return regions.region(provinces.pop())


def name(regions: Regions, adcode: int, *, chinese: bool) -> str:
    """A region as people call it: a city or district with its province (and city) before it."""
    region = regions.region(adcode)
    above = [region.province, region.city]
    parts = [each for each in above if each is not None and each.adcode != region.adcode]
    distinct = list(dict.fromkeys(_own_name(each, chinese=chinese) for each in [*parts, region]))
    return "".join(distinct) if chinese else " ".join(distinct)


def _own_name(region: Region, *, chinese: bool) -> str:
    return region.name_zh if chinese or region.name_en is None else region.name_en
