"""The province behind a network address, from a file that the customer supplies. Never a point.

Two such databases agree on the province of only 82% of Chinese addresses, so that a province is all that is
taken from them, and it proves nothing about a city. Without a file every answer is an honest unknown.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import maxminddb
from ip2region import searcher, util

from kernel.errors import ConfigurationError
from traceability.regions import Regions

FILE_BYTES_MAX: Final = 2 * 1024**3
"""Larger than any such database; what is larger is another file, named by mistake."""

_KNOWN_MAX: Final = 16_384
_MMDB_MARK: Final = b"\xab\xcd\xefMaxMind.com"
_MMDB_MARK_WITHIN: Final = 128 * 1024
_XDB_VECTOR_END: Final = util.HeaderInfoLength + util.VectorIndexLength
# Databases name these as countries; here they are provinces.
_COUNTRIES_WITHIN: Final = {"HK": "香港", "MO": "澳门", "TW": "台湾"}
_CHINA: Final = ("中国", "China", "CN")
# Names beside those of the region data, in the databases' spellings.
_OTHER_NAMES: Final = {"Nei Mongol": "内蒙古", "Xizang": "西藏", "Macau": "澳门"}

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Names = Iterator[str]


@dataclass(frozen=True, slots=True)
class IpRegion:
    """What an address tells.

    Attributes:
        province: Adcode of the province, or None where it is unknown or abroad.
        source_version: Names the database and its date; None where there is no database.
    """

    province: int | None
    source_version: str | None


class IpLocator:
    """Looks addresses up in an ip2region xdb or a MaxMind-format mmdb file. Any thread may ask."""

    def __init__(self, path: Path | None, regions: Regions) -> None:
        """Open the file, if there is one.

        Args:
            path: The database; the kind is told by its content. None for none.
            regions: Gives the provinces' names and adcodes.

        Raises:
            ConfigurationError: The file is missing, unreadable or neither xdb nor mmdb.
        """
        self._path = path
        self._regions = regions
        self._names: Callable[[_Address], _Names] | None = None
        self._known: dict[str, IpRegion] = {}
        self.source_version: str | None = None
        if path is None:
            return
        try:
            self._names, self.source_version = _open(path)
        except (OSError, ValueError, OverflowError, IndexError, maxminddb.InvalidDatabaseError) as error:
            raise ConfigurationError(f"The IP database {path} cannot be read: {error}.") from error

    def locate(self, address: str) -> IpRegion:
        """The province of an address; the answers of the last addresses are kept.

        Raises:
            ConfigurationError: The database proves damaged.
        """
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            known = self._known[address] = self._look_up(address)
        return known

    def _look_up(self, address: str) -> IpRegion:
        """The province of an address; unknown for private ones, and for text that is no address.

        Raises:
            ConfigurationError: The database proves damaged.
        """
        parsed = _public_address(address)
        if parsed is None or self._names is None:
            return IpRegion(None, self.source_version)
        try:
            for name in self._names(parsed):
                province = self._regions.province_named(_OTHER_NAMES.get(name, name))
                if province is not None:
                    return IpRegion(province.adcode, self.source_version)
        except (ValueError, IndexError, OSError, maxminddb.InvalidDatabaseError) as error:
            raise ConfigurationError(f"The IP database {self._path} is damaged: {error}.") from error
        return IpRegion(None, self.source_version)


def _public_address(text: str) -> _Address | None:
    """Parse an address; None where it is private or reserved, or no address (a Unix socket's peer is '')."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address if address.is_global else None


def _open(path: Path) -> tuple[Callable[[_Address], _Names], str]:
    """Open a database of either kind: what looks names up, and the database's version."""
    size = path.stat().st_size
    if size > FILE_BYTES_MAX:
        raise ValueError("it is larger than any such database")
    with path.open("rb") as file:
        file.seek(max(0, size - _MMDB_MARK_WITHIN))
        is_mmdb = _MMDB_MARK in file.read()
    return _open_mmdb(path) if is_mmdb else _open_xdb(path)


def _open_mmdb(path: Path) -> tuple[Callable[[_Address], _Names], str]:
    reader = maxminddb.open_database(path)
    metadata = reader.metadata()

    def names(address: _Address) -> _Names:
        if address.version == 6 and metadata.ip_version == 4:
            return
        record = reader.get(address)
        if isinstance(record, dict):
            yield from _mmdb_names(record)

    return names, _version(metadata.database_type, metadata.build_epoch)


def _mmdb_names(record: dict[str, Any]) -> _Names:
    """Candidate names of the province, best first: GeoIP2's nested form, or flat `country` and `region`."""
    country = record.get("country")
    code = country.get("iso_code") if isinstance(country, dict) else country or record.get("country_code")
    if code in _COUNTRIES_WITHIN:
        yield _COUNTRIES_WITHIN[code]
        return
    if code not in _CHINA:
        return
    subdivisions = record.get("subdivisions")
    for subdivision in subdivisions if isinstance(subdivisions, list) else []:
        given = subdivision.get("names") if isinstance(subdivision, dict) else None
        spelled = given if isinstance(given, dict) else {}
        yield from (str(spelled[language]) for language in ("zh-CN", "en") if language in spelled)
    yield from (value for key in ("region", "province") if isinstance(value := record.get(key), str))


def _open_xdb(path: Path) -> tuple[Callable[[_Address], _Names], str]:
    """Open an xdb of structure 2 or 3. It has no magic number, so that its header must make sense."""
    content = path.read_bytes()
    if len(content) < _XDB_VECTOR_END:
        raise ValueError("it is neither an xdb nor an mmdb file")
    header = util.Header(content[: util.HeaderInfoLength])
    version = util.version_from_header(header)
    if header.version not in {util.XdbStructure20, util.XdbStructure30} or version is None:
        raise ValueError("it is neither an xdb nor an mmdb file")
    last_index = header.endIndexPtr + version.index_size
    if not _XDB_VECTOR_END <= header.startIndexPtr <= header.endIndexPtr or last_index > len(content):
        raise ValueError("its index lies outside the file")
    search = searcher.new_with_buffer(version, content)

    def names(address: _Address) -> _Names:
        if address.version == (4 if version is util.IPv4 else 6):
            yield from _xdb_names(search.search(address.packed))

    return names, _version("ip2region", header.createdAt)


def _xdb_names(text: str) -> _Names:
    """Candidate names from "country|province|city|…" or, before 2025, "country|area|province|city|…"."""
    country, *rest = text.split("|")
    if country.startswith(tuple(_COUNTRIES_WITHIN.values())):
        yield country
    elif country in _CHINA:
        yield from rest[:2]


def _version(kind: str, built_at_s: int) -> str:
    return f"{kind} {datetime.fromtimestamp(built_at_s, UTC):%Y-%m-%d}"
